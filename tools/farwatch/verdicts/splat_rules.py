# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel says when something is wrong: one table.

A rule is the first words of a printk message, so text that only mentions a BUG
or a panic matches none. The words are those of the kernel's format strings;
the comment above a group names the source files (7.3, older forms where they
differ). Titles are in the style of syzkaller's reports. `{f}` is the function
that the report is about, found as `where` says; a title without one ends before
its " in {f}".

What dumps a stack without words of its own here is still found, by the dump
itself (splat.py). tools/tests/integration/test_complaints.py holds this table
against the messages in a base's sources.
"""

# ruff: noqa: E501  # a rule is a line
from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto


class Where(Enum):
    """How the function of a title is found. Later ones are tried if the first gives none."""

    NOWHERE = auto()
    """The title has none: the bug is not where it was noticed."""
    LINE = auto()
    """The pattern's group `function`, unless that is how the check works; else as STACK."""
    STACK = auto()
    """The first function of the stack that is not how the check works."""
    TAKEN = auto()
    """lockdep: behind "at: " of the lock that is being taken or released; else as STACK."""
    HELD = auto()
    """lockdep: where the lock that is still held was taken."""
    WAITS = auto()
    """The first function of the stack that is no way to wait."""
    LOOPS = auto()
    """The function below which the kernel loops: the inner ones differ from run to run."""


@dataclass(frozen=True)
class Rule:
    """One kind of message."""

    kind: str
    hint: str
    """A literal that the message must contain: found fast in a large log."""
    pattern: re.Pattern[str]
    """Matched at the start of the message."""
    title: str
    """Expanded with the pattern's groups, then normalised; `{f}` is the function."""
    where: Where


def _rule(kind: str, hint: str, pattern: str, title: str = r"\g<0>", where: Where = Where.NOWHERE) -> Rule:
    return Rule(kind, hint, re.compile(pattern), title, where)


_LINE, _STACK, _TAKEN, _HELD, _WAITS, _LOOPS = (
    Where.LINE, Where.STACK, Where.TAKEN, Where.HELD, Where.WAITS, Where.LOOPS
)  # fmt: skip
_AT = r"\S+?:\d+"
_F = r"(?P<function>[A-Za-z_$][\w.$]*|0x0|0x[0-9a-f]+|\(null\))(?:\+0x\S+)?"
_WHO = r".*?"
"""A task's name and pid, and whatever the name holds."""

OPENERS = ("cut", "registers", "dump")
"""Kinds that only begin a report; the first real complaint inside gives its kind and title."""
SANITIZERS = ("kasan", "kmsan", "kfence", "kcsan")
FATAL = ("oops", "bug", "kasan", "stack")
"""A report of these kinds may go on with an Oops line."""
BEFORE_WARNING = (
    "refcount",
    "list",
    "inodes",
    "usercopy",
    "objects",
    "dentry",
    "fortify",
    "kobject",
    "proc",
    "file",
)
"""Messages that a WARNING or BUG follows, which says only where the check is."""

ASKED_FOR = re.compile(
    r"sysrq: |NMI backtrace for cpu|Sending NMI|\btask:\S+ +state:|FAULT_INJECTION: forcing a failure"
    r"|invoked oom-killer:|: page allocation failure: |: vmalloc error: |: vmalloc size \d+ allocation failure"
)
"""Before a stack that is no complaint: somebody asked for it, or it tells why a request failed, which the
caller copes with (a fault that a test injects, memory that is used up)."""

RULES = (
    # kernel/panic.c, lib/bug.c
    _rule("cut", "[ cut here ]", r"-+\[ cut here \]-+", "WARNING in {f}", _STACK),
    _rule("cut", "8<--- cut here", r"8<-+ cut here -+", "WARNING in {f}", _STACK),
    _rule("stack", "stack-protector:", rf"Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: {_F}.*", "kernel panic: stack is corrupted in {f}", _LINE),
    _rule("stack", "corrupted stack end", r"Kernel panic - not syncing: corrupted stack end.*", "kernel panic: corrupted stack end in {f}", _STACK),
    _rule("panic", "Attempted to kill", r"Kernel panic - not syncing: (Attempted to kill (?:init!|the idle task!)).*", r"kernel panic: \1"),
    _rule("panic", "Kernel panic - not", r"Kernel panic - not syncing: (?:.*?: )?(panic_on_\w+ set).*", r"kernel panic: \1"),
    _rule("panic", "Kernel panic - not", r"Kernel panic - not syncing: (Segfault with no mm|Kernel mode fault\b|Kernel tried to access user memory).*", r"kernel panic: \1 in {f}", _STACK),
    _rule("panic", "Kernel panic - not", r"Kernel panic - not syncing:? ?(.*)", r"kernel panic: \1"),
    _rule("warning", "WARNING: ", rf"WARNING: (?:CPU: \d+ PID: \d+ )?(?:\[.*\] )?at (?P<at>(?:lib|mm)/\S*(?:refcount)\S*) {_F}.*", "WARNING: refcount bug in {f}", _STACK),
    _rule("warning", "WARNING: ", r"WARNING: .*\b(?:refcount|kref)_\w+\+0x.*", "WARNING: refcount bug in {f}", _STACK),
    _rule("warning", "WARNING: ", r"WARNING: .*\bdebug_print_object\+0x.*", "WARNING: ODEBUG bug in {f}", _STACK),
    _rule("warning", "WARNING: ", r"WARNING: .*\b(?:kmalloc_slab|kvmalloc_node\w*|__kvmalloc_node\w*|__kmalloc_large\w*)\+0x.*", "WARNING: kmalloc bug in {f}", _STACK),
    _rule("warning", "WARNING: ", r"WARNING: .*\b(?:__vmalloc_node_range\w*)\+0x.*", "WARNING: zero-size vmalloc in {f}", _STACK),
    _rule("warning", "WARNING: ", r"WARNING: .*\bkobject_\w+\+0x.*", "WARNING: kobject bug in {f}", _STACK),
    _rule("warning", "WARNING: ", r"WARNING: .*\b(?:proc_register|__proc_create|remove_proc_entry)\+0x.*", "WARNING: proc registration bug in {f}", _STACK),
    _rule("warning", "WARNING: ", r"WARNING: .*kernel/locking/lockdep\.c:.*", "WARNING: locking bug in {f}", _STACK),
    _rule("warning", "WARNING: ", rf"WARNING: (?:\[.*\] )?(?P<at>{_AT}) at {_F}.*", r"WARNING in {f}", _LINE),
    _rule("warning", "WARNING: ", rf"WARNING: (?:\[.*\] )?at {_F}, CPU#.*", r"WARNING in {f}", _LINE),
    _rule("warning", "WARNING: ", rf"WARNING: (?:CPU: \d+ PID: \d+ )?at (?:\[.*\] )?(?P<at>{_AT}) {_F}.*", r"WARNING in {f}", _LINE),
    _rule("warning", "WARNING: ", rf"WARNING: (?:CPU: \d+ PID: \d+ )?at {_F}.*", r"WARNING in {f}", _LINE),
    _rule("bug", "BUG: failure at", r"BUG: failure at (?P<at>\S+?:\d+)/(?P<function>\w+)\(\)!.*", "kernel BUG in {f}", _LINE),
    _rule("bug", "kernel BUG at", rf"kernel BUG at {_F} \[verbose debug info unavailable\].*", "kernel BUG in {f}", _LINE),
    _rule("bug", "kernel BUG at", r"(?:BUG: )?kernel BUG at (?P<at>\S+?:\d+).*", r"kernel BUG in {f}", _STACK),
    # rust/kernel: a panic of Rust code, before its BUG()
    _rule("bug", "rust_kernel: panicked", r"rust_kernel: panicked at .*", "kernel BUG in {f}", _STACK),
    # mm/kasan, mm/kmsan, mm/kfence, kernel/kcsan, lib/ubsan.c
    _rule("kasan", "invalid-free", rf"BUG: KASAN: double-free or invalid-free in {_F}.*", "KASAN: invalid-free in {f}", _LINE),
    _rule("kasan", "KASAN: ", rf"(?:BUG: )?KASAN: (?P<what>[\w -]+?)(?: on address \S+)? in {_F}.*", r"KASAN: \g<what>{access} in {f}", _LINE),
    _rule("kasan", "KASAN: ", r"(?:BUG: )?KASAN: (?P<what>[\w -]+?)(?: in range | on address |:| in |$).*", r"KASAN: \g<what>{access} in {f}", _STACK),
    _rule("kmsan", "KMSAN: ", rf"BUG: KMSAN: (?P<what>[\w-]+) in {_F}.*", r"KMSAN: \g<what> in {f}", _LINE),
    _rule("kmsan", "KMSAN: ", r"BUG: KMSAN: .*"),
    _rule("kfence", "KFENCE: ", rf"BUG: KFENCE: (?P<what>[\w -]+) in {_F}.*", r"KFENCE: \g<what> in {f}", _LINE),
    _rule("kfence", "KFENCE: ", r"BUG: KFENCE: .*"),
    _rule("kcsan", "KCSAN: ", r"BUG: KCSAN: (.*)", r"KCSAN: \1"),
    _rule("ubsan", "UBSAN: ", r"UBSAN: Undefined behaviour in .*", "UBSAN: undefined-behaviour in {f}", _STACK),
    _rule("ubsan", "UBSAN: ", r"UBSAN: (?P<what>[\w -]+) in .*", r"UBSAN: \g<what> in {f}", _STACK),
    _rule("ubsan", "UBSAN: ", r"(?:Internal error: )?UBSAN: .*", r"\g<0> in {f}", _STACK),
    # kernel/locking/lockdep.c; the words in front are WARNING since 4.12, INFO before
    _rule("lockdep", "possible ", r"(?:WARNING|\[? ?INFO): possible (?:circular locking|recursive locking|irq lock inversion) ?(?:dependency )?detected.*", "possible deadlock in {f}", _TAKEN),
    _rule("lockdep", "lock order detected", r"(?:WARNING|\[? ?INFO): \S+-safe -> \S+-unsafe lock order detected.*", "possible deadlock in {f}", _TAKEN),
    _rule("lockdep", "unsafe locking scenario", r"(?:WARNING|\[? ?INFO): possible unsafe locking scenario.*", "possible deadlock in {f}", _TAKEN),
    _rule("lockdep", "inconsistent lock state", r"(?:WARNING|\[? ?INFO): inconsistent lock state.*", "inconsistent lock state in {f}", _TAKEN),
    _rule("lockdep", "suspicious RCU usage", r"(?:(WARNING)|\[? ?(INFO)): suspicious RCU usage.*", r"\1\2: suspicious RCU usage in {f}", _STACK),
    _rule("lockdep", "held lock freed", r"(?:(WARNING)|\[ (BUG)): held lock freed!.*", r"\1\2: held lock freed in {f}", _STACK),
    _rule("lockdep", "bad unlock balance", r"(?:(WARNING)|\[ (BUG)): bad unlock balance detected!.*", r"\1\2: bad unlock balance in {f}", _TAKEN),
    _rule("lockdep", "bad contention", r"(?:(WARNING)|\[ (BUG)): bad contention detected!.*", r"\1\2: bad contention in {f}", _TAKEN),
    _rule("lockdep", "still has locks held", rf"(?:(WARNING)|\[ (BUG)): {_WHO} still has locks held!.*", r"\1\2: still has locks held in {f}", _STACK),
    _rule("lockdep", "lock held when returning", r"(?:(WARNING)|\[ (BUG)): lock held when returning to user space!.*", r"\1\2: lock held when returning to user space in {f}", _HELD),
    _rule("lockdep", "Nested lock was not", r"(?:(WARNING)|\[ (BUG)): Nested lock was not taken.*", r"\1\2: nested lock was not taken in {f}", _TAKEN),
    _rule("lockdep", "chain_key collision", r"WARNING: chain_key collision.*", "WARNING: chain_key collision in {f}", _STACK),
    _rule("lockdep", "non-static key", r"\[? ?INFO: trying to register non-static key.*", "INFO: trying to register non-static key in {f}", _STACK),
    _rule("lockdep", "Invalid wait context", r"\[ BUG: Invalid wait context \].*", "BUG: Invalid wait context in {f}", _TAKEN),
    _rule("lockdep", "lockdep:", r"lockdep: (MAX_\w+|fixing up alternatives).*", r"BUG: \1"),
    _rule("lockdep", "too low!", r"(?:BUG: )?(MAX_(?:LOCKDEP|STACK_TRACE|LOCK)\w* too (?:low|small)!).*", r"BUG: \1"),
    _rule("lockdep", "BUG: ", r"\[ (BUG: .*?) \].*", r"\1 in {f}", _STACK),
    # kernel/sched/core.c, lib/smp_processor_id.c, kernel/locking/spinlock_debug.c, kernel/workqueue.c
    _rule("atomic", "sleeping function", r"BUG: sleeping function called from invalid context.*", "BUG: sleeping function called from invalid context in {f}", _STACK),
    _rule("atomic", "scheduling ", r"BUG: (scheduling (?:while atomic|in a non-blocking section)).*", r"BUG: \1 in {f}", _STACK),
    _rule("atomic", "assuming ", r"BUG: (assuming (?:atomic|non migratable) context).*", r"BUG: \1 in {f}", _STACK),
    _rule("atomic", "in preemptible", r"BUG: using (\S+\(\)) in preemptible.*", r"BUG: using \1 in preemptible code in {f}", _STACK),
    _rule("bug", "BUG: ", r"BUG: (spinlock|rwlock) (bad magic|recursion|wrong owner|wrong CPU|already unlocked|lockup suspected|cpu recursion|uninitialized).*", r"BUG: \1 \2 in {f}", _STACK),
    _rule("bug", "BUG: workqueue leaked", r"BUG: workqueue leaked .*", "BUG: workqueue leaked lock or atomic in {f}", _STACK),
    # kernel/hung_task.c, kernel/rcu, kernel/watchdog.c, kernel/workqueue.c, kernel/time/clocksource.c
    _rule("hung task", "INFO: task ", rf"INFO: task {_WHO} blocked.* for more than .*", "INFO: task hung in {f}", _WAITS),
    _rule("hung task", "blocked", r".*?:\d+ blocked(?: in I/O wait)? for more than \d+ seconds\.", "INFO: task hung in {f}", _WAITS),
    _rule("hung task", "waiting for writeback", rf"INFO: The task {_WHO} has been waiting for writeback completion for more than .*", "INFO: task waits for writeback in {f}", _WAITS),
    _rule("hung task", "can't die", rf"INFO: task {_WHO} can't die for more than .*", "INFO: task can't die in {f}", _WAITS),
    _rule("rcu stall", "stall", r"(?:rcu: )?INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls?\b.*", "INFO: rcu detected stall in {f}", _LOOPS),
    _rule("rcu stall", "rcu_tasks", r"(?:rcu: )?INFO: rcu_tasks\w* detected stalls? on tasks.*", "INFO: rcu detected stall in {f}", _LOOPS),
    _rule("lockup", "soft lockup", r"(?:(?:NMI )?watchdog: )?BUG: soft lockup.*", "BUG: soft lockup in {f}", _LOOPS),
    _rule("lockup", "hard LOCKUP", r"(?:NMI )?(?:watchdog: )?(?:CPU\d+: )?Watchdog detected hard LOCKUP.*", "BUG: hard lockup in {f}", _LOOPS),
    _rule("lockup", "workqueue lockup", r"BUG: workqueue lockup.*", "BUG: workqueue lockup"),
    _rule("lockup", "csd: ", r"(?:smp: )?csd: .*non-responsive CSD lock.*", "csd: non-responsive CSD lock"),
    # lib/refcount.c, lib/debugobjects.c, mm/kmemleak.c, lib/list_debug.c, fs/super.c, fs/open.c, mm/usercopy.c, lib/string_helpers.c
    _rule("refcount", "refcount_t: ", r"refcount_t: .*", "WARNING: refcount bug in {f}", _STACK),
    _rule("objects", "ODEBUG: ", r"ODEBUG: (?:activate|deactivate|free|init|assert_init|destroy|active)\w* .*", "WARNING: ODEBUG bug in {f}", _STACK),
    _rule("leak", "memory leak", r"BUG: memory leak.*", "memory leak in {f}", _STACK),
    _rule("leak", "new suspected memory leak", r"(?:kmemleak: )?\d+ new suspected memory leak.*", "kmemleak: new suspected memory leaks"),
    _rule("leak", "unreferenced object ", r"(?:kmemleak: )?unreferenced object 0x.*|unreferenced object \(percpu\) 0x.*", "memory leak in {f}", _STACK),
    _rule("list", "list_", r"list_(?:add|del)(?:_rcu)? (?:corruption|double add).*", "BUG: corrupted list in {f}", _STACK),
    _rule("list", "hlist", r"plist_\w+: corrupt.*", "BUG: corrupted list in {f}", _STACK),
    _rule("inodes", "Busy inodes", r"(?:VFS: )?Busy inodes after unmount.*", "VFS: Busy inodes after unmount (use-after-free)"),
    _rule("inodes", "file count is", r"VFS: Close: file count is (?:0|zero).*", "VFS: Close: file count is zero (use-after-free)"),
    _rule("dentry", "still in use", r"BUG: Dentry .* still in use.*", "BUG: Dentry still in use in {f}", _STACK),
    _rule("usercopy", "usercopy: ", r"usercopy: [Kk]ernel memory .*?attempt detected.*", "BUG: bad usercopy in {f}", _STACK),
    _rule("usercopy", "Bad or missing usercopy", r"Bad or missing usercopy whitelist\?.*", "WARNING: bad usercopy in {f}", _STACK),
    _rule("fortify", "buffer overflow", r"(?:detected|strn?len|mem\w+|str\w+): (?:detected )?buffer overflow.*|memcpy: detected field-spanning \w+.*", "kernel BUG in {f}", _STACK),
    # lib/kobject.c, fs/sysfs/dir.c, fs/proc/generic.c
    _rule("kobject", "kobject", r"(?:kobject: )?kobject (?:'.*' )?\(\S*\): (tried to (?:init an initialized|add an uninitialized) object).*", r"kobject: \1 in {f}", _STACK),
    _rule("kobject", "kobject", r"(?:kobject: )?kobject \(\S*\): (must have a ktype .*|invalid .*)", r"kobject: \1 in {f}", _STACK),
    _rule("kobject", "failed for ", r"(?:kobject: )?kobject_add_internal failed for .*", "WARNING: kobject bug in {f}", _STACK),
    _rule("sysfs", "cannot create duplicate", r"sysfs: cannot create duplicate filename.*", "sysfs: cannot create duplicate filename in {f}", _STACK),
    _rule("proc", "proc_dir_entry", r"proc_dir_entry .*already registered.*", "WARNING: proc registration bug in {f}", _STACK),
    # kernel/irq/spurious.c
    _rule("irq", "nobody cared", r"irq \d+: (nobody cared).*", r"irq: \1 in {f}"),
    _rule("irq", "bogus return value", r"irq event \d+: (bogus return value).*", r"irq: \1"),
    # mm/page_poison.c, mm/slub.c, mm/memory.c, mm/debug.c
    _rule("page", "pagealloc: ", r"pagealloc: (memory corruption|single bit error).*", r"pagealloc: \1 in {f}", _STACK),
    _rule("page", "BUG: Bad page", r"BUG: (Bad page (?:state|map|cache)).*", r"BUG: \1 in {f}", _STACK),
    _rule("page", "Bad rss-counter", r"BUG: Bad (rss-counter state).*", r"BUG: Bad \1"),
    _rule("page", "non-zero", r"BUG: (non-zero [\w ]+) on freeing mm.*", r"BUG: \1 on freeing mm"),
    _rule("slab", "BUG ", r"BUG (?P<cache>.+?) \([^)]*\): (?P<what>.*)", r"BUG: \g<what> in slab \g<cache>"),
    _rule("slab", "Slab", r"Slab (0x\S+|cache \S+).*(?:corrupt|invalid).*", "BUG: corrupted slab"),
    # arch/x86 traps, arch/x86/mm/fault.c, other architectures
    _rule("oops", "NULL pointer dereference", r"(?:BUG: )?(?:[Uu]nable to handle )?kernel NULL pointer dereference.*", "BUG: unable to handle kernel NULL pointer dereference in {f}", _STACK),
    _rule("oops", "nable to handle", r"(?:BUG: )?[Uu]nable to handle (?:kernel access to user memory|user access|.*access to user memory).*", "BUG: unable to handle kernel access to user memory in {f}", _STACK),
    _rule("oops", "nable to handle", r"(?:BUG: )?[Uu]nable to handle (?:kernel )?(?:paging request|page fault).*", "BUG: unable to handle kernel paging request in {f}", _STACK),
    _rule("oops", "nable to handle", r"(?:BUG: )?[Uu]nable to handle kernel .*", "BUG: unable to handle kernel in {f}", _STACK),
    _rule("oops", "general protection", r"(?:Oops: )?(?:segment-related )?general protection fault\b.*", "general protection fault in {f}", _STACK),
    _rule("oops", "double fault", r"(?:traps: )?(?:PANIC: |Oops: )?double fault\b.*(?:error_code|\[#\d+\]).*", "PANIC: double fault in {f}", _STACK),
    _rule("oops", "divide", r"(?:Oops: )?divide[ _]error\b.*\[#\d+\].*", "divide error in {f}", _STACK),
    _rule("oops", "[#", r"(?:Oops: )?(stack segment(?: fault)?|invalid opcode|int3|alignment check|bounds|overflow|invalid TSS|segment not present|coprocessor \S+|debug|control protection)\b.*\[#\d+\].*", r"\1 in {f}", _STACK),
    _rule("oops", "Missing ENDBR", r"Missing ENDBR: .*", "Missing ENDBR in {f}", _STACK),
    _rule("oops", "CFI failure", r"CFI failure at .*", "CFI failure in {f}", _STACK),
    _rule("oops", "Unhandled fault", r"Unhandled fault: .*", "Unhandled fault in {f}", _STACK),
    _rule("oops", "Alignment trap", r"Alignment trap: not handling.*", "Alignment trap in {f}", _STACK),
    _rule("oops", "Internal error", r"Internal error: Oops - BUG.*", "kernel BUG in {f}", _STACK),
    _rule("oops", "Internal error", r"Internal error: .*", "Internal error in {f}", _STACK),
    _rule("oops", "Oops", r"Oops(?: - [^:]*)?: .*", "Oops in {f}", _STACK),
    _rule("oops", "Bad mode", r"Bad mode in .*", "Bad mode in {f}", _STACK),
    _rule("stack", "stack guard page", r"BUG: \S* ?stack guard page was hit\b.*", "BUG: stack guard page was hit in {f}", _STACK),
    _rule("stack", "kernel stack overflow", r"(?:Insufficient stack space|kernel stack overflow|Kernel stack overflow).*", "kernel stack overflow in {f}", _STACK),
    _rule("stack", "kernel stack", r"WARNING: kernel stack (regs|frame pointer) at .* has bad .*value.*", r"WARNING: kernel stack \1 has bad value"),
    _rule("stack", "Thread overran stack", r"Thread overran stack, or stack corrupted.*", "Thread overran stack"),
    # arch/um/kernel/trap.c
    _rule("oops", "Segfault with no mm", r"(Segfault with no mm).*", r"\1 in {f}", _STACK),
    _rule("oops", "Kernel mode fault", r"(Kernel mode fault) at addr.*", r"\1 in {f}", _STACK),
    _rule("oops", "Kernel tried to access", r"(Kernel tried to access user memory) at.*", r"\1 in {f}", _STACK),
    # kernel/exit.c, fs/kernfs/mount.c, lib/test_*.c, mm/vmalloc.c
    _rule("oops", "recursive fault", r"Fixing recursive fault but reboot is needed!", "recursive fault in {f}", _STACK),
    _rule("bug", "BUG ", r"BUG (?:in|at) \S+: ?.*", "kernel BUG in {f}", _STACK),
    _rule("page", "tree is corrupted", r"tree is corrupted: .*", "vmalloc: tree is corrupted in {f}", _STACK),
    # net/core/dev.c, net/core/neighbour.c, net/core/page_pool.c
    _rule("device", "neighbour leakage", r"(?:neighbour: )?neighbour leakage", "neighbour leakage"),
    _rule("device", "page_pool refcnt", r"(\w+)\(\) page_pool refcnt -?\d+ violation", r"page_pool refcnt violation in \1"),
    _rule("device", "unregister_netdevice", r"unregister_netdevice: waiting for \S+ to become free.*", "unregister_netdevice: waiting for DEV to become free"),
    # every other "BUG: "
    _rule("bug", "BUG: ", r"(?:[\w -]{1,24}: )?(BUG: .*)", r"\1 in {f}", _STACK),
    # a dump that no message above explains: registers, or a stack
    _rule("registers", "Modules linked in:", r"Modules linked in:.*", "register dump in {f}", _STACK),
    _rule("dump", "Comm: ", r"CPU: \d+ (?:UID: \d+ )?PID: \d+ Comm: .*", "stack dump in {f}", _STACK),
)  # fmt: skip
