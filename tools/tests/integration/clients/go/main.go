// SPDX-License-Identifier: GPL-2.0-or-later

// fsnotify: each event with its path. It watches folders one by one: all that are there in the beginning, and
// those that come, as its users do it.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

func watch(watcher *fsnotify.Watcher, top string) {
	filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil
		}
		if entry.Name() == ".git" {
			return fs.SkipDir
		}
		if err := watcher.Add(path); err != nil {
			fmt.Println("error", err)
		}
		return nil
	})
}

func main() {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		panic(err)
	}
	watch(watcher, os.Args[1])
	fmt.Println("ready")
	for {
		select {
		case event := <-watcher.Events:
			fmt.Println(event.Op, event.Name)
			if event.Has(fsnotify.Create) {
				watch(watcher, event.Name)
			}
		case err := <-watcher.Errors:
			fmt.Println("error", err)
		}
	}
}
