# SPDX-License-Identifier: GPL-2.0
# ARG: the journal that it has: "wal" or "delete".
cd w
python3 -I - "$1" << END
import sqlite3, sys
db = sqlite3.connect("data.db")
db.execute(f"PRAGMA journal_mode={sys.argv[1]}")
db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
db.commit()
for number in range(5):
    db.execute("INSERT INTO t VALUES (?, ?)", (number, "text" * 100))
    db.commit()
db.execute("DELETE FROM t WHERE k < 3")
db.commit()
db.close()
END
