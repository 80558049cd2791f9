# SPDX-License-Identifier: GPL-2.0
# A folder $1 with $2 folders in it, each with five files and a folder.
# ARG: FOLDER:NUMBER, as there is one.
top=${1%:*} count=${1#*:}
mkdir "$top"
set --
i=0
while [ $i -lt "$count" ]; do
	set -- "$@" "$top/d$i" "$top/d$i/sub"
	i=$((i + 1))
done
mkdir "$@"
for folder; do
	case $folder in
	*/sub)	;;
	*)	for file in 1 2 3 4 5; do echo text > "$folder/f$file"; done ;;
	esac
done
