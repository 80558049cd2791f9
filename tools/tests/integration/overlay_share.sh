# SPDX-License-Identifier: GPL-2.0-or-later
# What is done to files and folders that are in the lower layer of an overlayfs, as it is seen there, and in a guest
# that has it as its share. In a mount namespace: overlay_share.sh WORK COMMAND...; with a script behind it, the
# command has the guest run that in WORK/guest. What was seen is in WORK/../seen-native and seen-guest.
set -e
work=$1
shift
mount -t tmpfs tmpfs "$work"

stage()
{
	cd "$work"
	mkdir -p "$1" "$1.lower/etc/conf.d" "$1.lower/gone" "$1.upper" "$1.work"
	for name in etc/app.conf etc/conf.d/c gone/g meta; do
		echo lower > "$1.lower/$name"
	done
	mount -t overlay -o "lowerdir=$1.lower,upperdir=$1.upper,workdir=$1.work,userxattr" overlay "$1"
	cd "$1"
	echo "$watch" > watch.sh
}

# Prints lines until something is called "done", or nothing comes. Not in a pipe, so that it can be ended.
watch='
mkfifo "$1"
inotifywait -m -t 120 --format "%w %e %f" \
	-e modify,attrib,create,delete,move,close_write,delete_self,move_self \
	. etc etc/conf.d gone etc/app.conf meta > "$1" 2>&1 &
while read -r line; do
	echo "$line"
	case $line in
	*established*) : > ready ;;
	*" CREATE done") break ;;
	esac
done < "$1"
kill $!
'

act()
{
	echo upper >> etc/app.conf
	chmod 600 meta
	echo new > etc/new
	rm etc/conf.d/c
	echo c2 > etc/conf.d/c
	rm -r gone
	mkdir gone
	echo replaced > etc/app.conf.t
	mv etc/app.conf.t etc/app.conf
	: > done
}

# Act once the watcher has said that it watches.
act_on_ready()
{
	while read -r line; do
		case $line in *' CREATE ready') act ;; esac
		echo "$line"
	done
}

stage native
sh watch.sh "$work/lines" | act_on_ready > "$work/../seen-native"
stage guest
"$@" 'sh watch.sh /tmp/lines' < /dev/null 2> "$work/../said" | act_on_ready > "$work/../seen-guest"
