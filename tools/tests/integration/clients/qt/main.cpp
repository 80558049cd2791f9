// SPDX-License-Identifier: GPL-2.0-or-later
// QFileSystemWatcher: each folder and each file that changed. It watches one by one all that are there in the
// beginning, and what comes, as its users do it.
#include <QCoreApplication>
#include <QDirIterator>
#include <QFileSystemWatcher>
#include <QTextStream>

static void watch(QFileSystemWatcher &watcher, const QString &top)
{
	QDirIterator found(top, QDir::AllEntries | QDir::NoDotAndDotDot, QDirIterator::Subdirectories);
	QStringList paths(top);

	while (found.hasNext())
		paths << found.next();
	watcher.addPaths(paths);
}

int main(int argc, char *argv[])
{
	QCoreApplication app(argc, argv);
	QFileSystemWatcher watcher;
	QTextStream out(stdout);

	QObject::connect(&watcher, &QFileSystemWatcher::directoryChanged, [&](const QString &path) {
		out << "directory " << path << Qt::endl;
		if (QFile::exists(path))
			watch(watcher, path);
	});
	QObject::connect(&watcher, &QFileSystemWatcher::fileChanged, [&](const QString &path) {
		out << "file " << path << Qt::endl;
		if (QFile::exists(path))
			watcher.addPath(path);
	});
	watch(watcher, argv[1]);
	out << "ready" << Qt::endl;
	return app.exec();
}
