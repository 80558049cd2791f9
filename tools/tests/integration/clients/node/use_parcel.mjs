// SPDX-License-Identifier: GPL-2.0-or-later
// @parcel/watcher: each event with its path.
import watcher from "@parcel/watcher";
import { relative } from "node:path";

const tell = (error, events) => {
	if (error)
		console.log("error", error.message);
	for (const event of events ?? [])
		console.log(event.type, relative(".", event.path));
};

await watcher.subscribe(process.argv[2], tell, { backend: "inotify" });
console.log("ready");
