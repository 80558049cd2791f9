# SPDX-License-Identifier: GPL-2.0
# Objects, by way of temporary names, a library, a program; then all of it goes.
mkdir w/obj
for i in 1 2 3; do
	echo "int f$i(void) { return $i; }" > w/obj/.$i.c.tmp
	mv w/obj/.$i.c.tmp w/obj/$i.c
	cp w/obj/$i.c w/obj/$i.o.tmp
	mv w/obj/$i.o.tmp w/obj/$i.o
	echo "$i.o: $i.c" > w/obj/.$i.d
done
cat w/obj/*.o > w/lib.a.tmp
mv w/lib.a.tmp w/lib.a
cp w/lib.a w/program
chmod +x w/program
touch w/.stamp
rm -f w/obj/*.o w/obj/.*.d w/program w/lib.a w/.stamp
rm -r w/obj
