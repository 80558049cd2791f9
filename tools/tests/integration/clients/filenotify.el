;; SPDX-License-Identifier: GPL-2.0-or-later
;; filenotify: each event with its files. It watches folders one by one: all that are there in the beginning,
;; and those that come, as its users do it.  -*- lexical-binding: t -*-
(require 'filenotify)

(defvar folders (make-hash-table :test 'equal) "Those that are watched.")

(defun watch-tree (top)
  (unless (gethash top folders)
    (puthash top (file-notify-add-watch top '(change attribute-change) #'tell) folders))
  (dolist (path (directory-files top t directory-files-no-dot-files-regexp))
    (when (and (file-directory-p path) (not (file-symlink-p path))
               (not (equal (file-name-nondirectory path) ".git")))
      (watch-tree path))))

(defun tell (event)
  (let ((action (nth 1 event)) (file (nth 2 event)))
    (message "%s %s" action
             (mapconcat (lambda (path) (file-relative-name path here)) (nthcdr 2 event) " "))
    (when (eq action 'stopped)
      (remhash file folders))
    (when (and (memq action '(created renamed)) (file-directory-p (car (last event))))
      (watch-tree (car (last event))))))

(defvar here default-directory)
(watch-tree (expand-file-name (pop command-line-args-left)))
(message "ready")
(while t (read-event nil nil 3600))
