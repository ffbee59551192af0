//! Real repositories, made with the `git` program, and a real smart HTTP server, `git http-backend`, in front of them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::http_client::testing::{Reply, Request};

/// Runs `git`, without the machine's and the user's configuration, and gives what it prints.
pub(super) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Ann Author")
        .env("GIT_AUTHOR_EMAIL", "ann@example.com")
        .env("GIT_COMMITTER_NAME", "Ann Author")
        .env("GIT_COMMITTER_EMAIL", "ann@example.com")
        .output()
        .expect("git is installed");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A bare repository `ops/apps.git`, and a working tree to push from.
pub(super) struct Origin {
    folder: tempfile::TempDir,
}

impl Origin {
    /// With one commit on `main`.
    pub(super) fn new() -> Self {
        let origin = Self::empty();
        origin.commit("compose.yml", "services: {}\n", "Begin");
        origin
    }

    pub(super) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "-q", "--bare", "-b", "main", "ops/apps.git"]);
        git(folder.path(), &["init", "-q", "-b", "main", "work"]);
        let origin = Self { folder };
        git(&origin.work(), &["remote", "add", "origin", origin.bare().to_str().unwrap()]);
        origin
    }

    /// The folder that holds `ops/apps.git`.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(super) fn bare(&self) -> PathBuf {
        self.folder.path().join("ops/apps.git")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Commits a file, pushes, and gives the commit's hash.
    pub(super) fn commit(&self, path: &str, content: &str, message: &str) -> String {
        let file = self.work().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
        self.commit_all(message)
    }

    /// Commits what lies in the working tree, pushes, and gives the commit's hash.
    pub(super) fn commit_all(&self, message: &str) -> String {
        git(&self.work(), &["add", "-A"]);
        git(&self.work(), &["commit", "-q", "--allow-empty", "-m", message]);
        git(&self.work(), &["push", "-q", "origin", "HEAD"]);
        git(&self.work(), &["rev-parse", "HEAD"])
    }

    /// Replaces the newest commit by another one, and gives its hash.
    pub(super) fn rewrite(&self, content: &str) -> String {
        std::fs::write(self.work().join("compose.yml"), content).unwrap();
        git(&self.work(), &["commit", "-q", "-a", "--amend", "-m", "Rewritten"]);
        git(&self.work(), &["push", "-q", "--force", "origin", "HEAD"]);
        git(&self.work(), &["rev-parse", "HEAD"])
    }
}

/// Answers a request with `git http-backend`, as Apache would.
pub(super) fn http_backend(root: &Path, request: &Request) -> Reply {
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", request.header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some(version) = request.header("git-protocol") {
        command.env("GIT_PROTOCOL", version);
    }
    let mut child = command.spawn().expect("git http-backend is installed");
    let mut stdin = child.stdin.take().unwrap();
    let body = request.body.clone();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&body);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let split = output.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("headers");
    let head = String::from_utf8(output.stdout[..split].to_vec()).unwrap();
    let mut status = 200;
    let mut headers = Vec::new();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        match name {
            "Status" => status = value.split(' ').next().unwrap().parse().unwrap(),
            _ => headers.push((name.to_owned(), value.to_owned())),
        }
    }
    Reply::Whole { status, headers, body: output.stdout[split + 4..].to_vec() }
}
