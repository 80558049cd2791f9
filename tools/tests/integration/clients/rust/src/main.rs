// SPDX-License-Identifier: GPL-2.0-or-later
//! notify: each event with its paths.

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{recommended_watcher, RecursiveMode, Result, Watcher};
use std::path::Path;
use std::sync::mpsc::channel;

fn main() -> Result<()> {
    let top = std::env::args().nth(1).expect("usage: use-notify FOLDER");
    let (tell, told) = channel();
    let mut watcher = recommended_watcher(tell)?;
    watcher.watch(Path::new(&top), RecursiveMode::Recursive)?;
    println!("ready");
    for event in told {
        let event = event?;
        match event.kind {
            // who only reads
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            EventKind::Access(_) => continue,
            _ => {}
        }
        let paths: Vec<_> = event.paths.iter().map(|path| path.display().to_string()).collect();
        println!("{:?} {}", event.kind, paths.join(" "));
    }
    Ok(())
}
