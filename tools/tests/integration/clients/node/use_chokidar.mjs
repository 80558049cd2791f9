// SPDX-License-Identifier: GPL-2.0-or-later
// chokidar: each event with its path.
import chokidar from "chokidar";

chokidar
	.watch(process.argv[2], { ignoreInitial: true })
	.on("all", (event, path) => console.log(event, path))
	.on("ready", () => console.log("ready"));
