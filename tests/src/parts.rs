//! The programs that the tests start, built from Go modules once and kept in a cache folder:
//! `$KOMPOX_PARTS`, else `$XDG_CACHE_HOME/kompox/parts`, else `~/.cache/kompox/parts`. A part's folder is
//! named after a hash of its sources and build flags, so that a changed `go.sum` makes a new one.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::folder::copy_tree;
use crate::guardian;
use crate::process::{Process, find_program_in, tail};

/// Names the cache folder.
pub const CACHE: &str = "KOMPOX_PARTS";

/// How often a build says that it still runs.
const REPORT: Duration = Duration::from_secs(30);
/// Between two looks at a running build.
const STEP: Duration = Duration::from_millis(100);

/// A program that is built from Go modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet and kube-proxy in one binary.
    ControlPlane,
    /// kwok: nodes and Pods that only pretend.
    Kwok,
    /// The Gitea forge.
    Gitea,
    /// The reference reader of Compose files, with their official JSON schema.
    Compose,
    /// SOPS, which encrypts files.
    Sops,
    /// CoreDNS, which knows the names of Services.
    CoreDns,
}

/// How a part is built.
struct Recipe {
    /// Its folder under `tests/cluster`, its name in the cache, and the name of its binary.
    name: &'static str,
    /// What it is, for messages.
    what: &'static str,
    /// What the first build takes on two cores, for messages.
    takes: &'static str,
    package: &'static str,
    tags: &'static str,
    ldflags: &'static str,
    /// Whether it has C sources.
    cgo: bool,
    /// What is copied beside the binary, so that the module cache may go away.
    files: &'static [ModuleFiles],
}

/// Files of a Go module: `from` (a file's folder or a tree inside the module) is copied to `to`.
struct ModuleFiles {
    module: &'static str,
    from: &'static str,
    to: &'static str,
}

const CONTROL_PLANE: Recipe = Recipe {
    name: "controlplane",
    what: "the control plane (etcd and Kubernetes 1.36)",
    takes: "about 7 minutes",
    package: ".",
    tags: "",
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3",
    cgo: false,
    files: &[],
};

const KWOK: Recipe = Recipe {
    name: "kwok",
    what: "kwok (fake nodes)",
    takes: "about 1 to 3 minutes",
    package: "sigs.k8s.io/kwok/cmd/kwok",
    tags: "",
    ldflags: "-s -w",
    cgo: false,
    files: &[
        ModuleFiles { module: "sigs.k8s.io/kwok", from: "kustomize/stage/node/fast", to: "stages/node-fast" },
        ModuleFiles {
            module: "sigs.k8s.io/kwok",
            from: "kustomize/stage/node/heartbeat-with-lease",
            to: "stages/node-heartbeat",
        },
        ModuleFiles { module: "sigs.k8s.io/kwok", from: "kustomize/stage/pod/fast", to: "stages/pod-fast" },
    ],
};

const GITEA: Recipe = Recipe {
    name: "gitea",
    what: "Gitea (a forge)",
    takes: "about 4 minutes",
    package: "code.gitea.io/gitea",
    tags: "sqlite sqlite_unlock_notify",
    ldflags: "-s -w -X main.Version=1.26.0",
    cgo: true,
    files: &[
        ModuleFiles { module: "code.gitea.io/gitea", from: "options", to: "static/options" },
        ModuleFiles { module: "code.gitea.io/gitea", from: "public", to: "static/public" },
        ModuleFiles { module: "code.gitea.io/gitea", from: "templates", to: "static/templates" },
    ],
};

const COMPOSE: Recipe = Recipe {
    name: "compose",
    what: "compose-go (the reference reader of Compose files)",
    takes: "about 20 seconds",
    package: ".",
    tags: "",
    ldflags: "-s -w",
    cgo: false,
    files: &[],
};

const SOPS: Recipe = Recipe {
    name: "sops",
    what: "SOPS (encrypts files)",
    takes: "about 2 minutes",
    package: "github.com/getsops/sops/v3/cmd/sops",
    tags: "",
    ldflags: "-s -w",
    cgo: false,
    files: &[],
};

const CORE_DNS: Recipe = Recipe {
    name: "coredns",
    what: "CoreDNS (names of Services)",
    takes: "about 2 minutes",
    package: ".",
    tags: "",
    ldflags: "-s -w",
    cgo: false,
    files: &[],
};

impl Part {
    fn recipe(self) -> &'static Recipe {
        match self {
            Self::ControlPlane => &CONTROL_PLANE,
            Self::Kwok => &KWOK,
            Self::Gitea => &GITEA,
            Self::Compose => &COMPOSE,
            Self::Sops => &SOPS,
            Self::CoreDns => &CORE_DNS,
        }
    }

    /// What keeps this part from being had on this machine, in words, or `None` if it is built or can be.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        if std::env::var_os(WITHOUT).is_some_and(|value| !value.is_empty()) {
            return Some(format!("{WITHOUT} asks for no real parts"));
        }
        let lookup = || -> Result<()> {
            let workshop = Workshop::of_this_machine()?;
            if !workshop.target(self.recipe())?.is_dir() {
                workshop.toolchain(self.recipe())?;
            }
            Ok(())
        };
        lookup().err().map(|error| error.to_string())
    }

    /// The part's folder in the cache; built now if it is not there, with progress on standard error.
    ///
    /// # Errors
    /// When Go or a C compiler is missing, or the build fails; the message quotes the end of its output.
    pub async fn folder(self) -> Result<PathBuf> {
        let built = tokio::task::spawn_blocking(move || Workshop::of_this_machine()?.obtain(self.recipe())).await;
        built.context("the build was broken off")?
    }

    /// The part's program; built now if needed, as [`folder`](Self::folder) says.
    ///
    /// # Errors
    /// As [`folder`](Self::folder).
    pub async fn binary(self) -> Result<PathBuf> {
        Ok(self.folder().await?.join(self.recipe().name))
    }
}

/// Says on standard error, in one line, that the present test is skipped if this machine can neither find
/// nor build one of `parts`. True means: skip.
#[must_use]
pub fn skip_without(parts: &[Part]) -> bool {
    skip_if(parts.iter().find_map(|part| part.missing()))
}

/// Says on standard error, in one line, that the present test is skipped and why, if there is a reason.
/// True means: skip.
#[must_use]
pub fn skip_if(reason: Option<String>) -> bool {
    let Some(reason) = reason else {
        return false;
    };
    // The test runner names its threads after the tests.
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    say(&format!("skipped: {test}: {reason}"));
    true
}

/// A line on standard error that the test runner does not hold back.
pub fn say(line: &str) {
    // Nobody to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Set to anything, it makes tests that need a real part skip themselves: `make check`.
pub const WITHOUT: &str = "KOMPOX_TEST_WITHOUT_PARTS";

/// Where parts are made and kept.
struct Workshop {
    /// The folder that holds every part's Go module.
    sources: PathBuf,
    cache: PathBuf,
    /// Where programs are looked for, as in `PATH`.
    path: OsString,
}

impl Workshop {
    fn of_this_machine() -> Result<Self> {
        Ok(Self {
            sources: Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster"),
            cache: cache_folder()?,
            path: std::env::var_os("PATH").unwrap_or_default(),
        })
    }

    fn obtain(&self, recipe: &Recipe) -> Result<PathBuf> {
        let target = self.target(recipe)?;
        if target.is_dir() {
            return Ok(target);
        }
        let cache = &self.cache;
        std::fs::create_dir_all(cache).with_context(|| format!("cannot make the cache folder {}", cache.display()))?;
        let _lock = lock(recipe, &cache.join(format!("{}.lock", recipe.name)))?;
        // Another process may have built it while this one waited.
        if target.is_dir() {
            return Ok(target);
        }
        let go = self.toolchain(recipe)?;
        // On the same file system as the target, so that the rename is atomic.
        let work = tempfile::Builder::new().prefix(&format!("{}-building-", recipe.name)).tempdir_in(cache);
        let work = work.with_context(|| format!("cannot write to the cache folder {}", cache.display()))?;
        guardian::keep(work.path())?;
        self.build(recipe, &go, work.path())?;
        for files in recipe.files {
            self.copy_files(recipe, &go, files, work.path())?;
        }
        std::fs::rename(work.path(), &target).with_context(|| format!("cannot make {}", target.display()))?;
        guardian::drop_folder(work.path());
        Ok(target)
    }

    /// Where the part is, or will be: named after a hash of everything that decides what is built, which
    /// is go.mod, go.sum, the Go files and the flags.
    fn target(&self, recipe: &Recipe) -> Result<PathBuf> {
        let folder = self.source(recipe);
        let unreadable = || format!("cannot read {}", folder.display());
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).with_context(unreadable)? {
            let name = entry.with_context(unreadable)?.file_name();
            let text = name.to_string_lossy();
            if text == "go.mod" || text == "go.sum" || text.ends_with(".go") {
                names.push(name);
            }
        }
        names.sort();
        let mut hash = Sha256::new();
        for name in names {
            let path = folder.join(&name);
            let content = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            // Lengths keep one file's end and the next one's start apart.
            hash.update(format!("{} {}\n", name.to_string_lossy(), content.len()));
            hash.update(content);
        }
        hash.update(arguments(recipe).join(" "));
        for ModuleFiles { module, from, to } in recipe.files {
            hash.update(format!("\n{module} {from} {to}"));
        }
        let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(self.cache.join(format!("{}-{hash}", recipe.name)))
    }

    fn source(&self, recipe: &Recipe) -> PathBuf {
        self.sources.join(recipe.name)
    }

    /// The `go` program, once everything that the build needs is known to be there.
    fn toolchain(&self, recipe: &Recipe) -> Result<PathBuf> {
        let what = recipe.what;
        let Some(go) = find_program_in("go", &self.path) else {
            bail!("{what} is built with Go, and there is no `go` on the PATH: install Go 1.26 or newer");
        };
        if recipe.cgo {
            let compiler = run(Command::new(&go).args(["env", "CC"]))?;
            let program = compiler.split_whitespace().next().unwrap_or("gcc");
            if find_program_in(program, &self.path).is_none() {
                bail!("{what} has C sources, and there is no `{program}` on the PATH: install it, or set CC");
            }
        }
        Ok(go)
    }

    fn build(&self, recipe: &Recipe, go: &Path, work: &Path) -> Result<()> {
        let what = recipe.what;
        say(&format!("building {what}: {} the first time on two cores", recipe.takes));
        let log = work.join("build.log");
        let mut command = self.command(recipe, go);
        command.args(arguments(recipe)).arg("-o").arg(work.join(recipe.name)).arg(recipe.package);
        let start = Instant::now();
        let process = Process::spawn("go build", &mut command, &log)?;
        let mut reported = start;
        let status = loop {
            if let Some(status) = process.exited()? {
                break status;
            }
            if reported.elapsed() >= REPORT {
                reported = Instant::now();
                say(&format!("  still building {what} ({} s so far)", start.elapsed().as_secs()));
            }
            std::thread::sleep(STEP);
        };
        if !status.success() {
            bail!("cannot build {what} in {} ({status}):\n{}", self.source(recipe).display(), tail(&log));
        }
        say(&format!("built {what} in {} s", start.elapsed().as_secs()));
        Ok(())
    }

    fn command(&self, recipe: &Recipe, go: &Path) -> Command {
        let mut command = Command::new(go);
        command.current_dir(self.source(recipe)).stdin(Stdio::null()).env("PATH", &self.path);
        // A GOFLAGS or GOWORK of the caller's would make another program of it.
        command.env("GOFLAGS", "-mod=readonly").env("GOWORK", "off");
        command.env("CGO_ENABLED", if recipe.cgo { "1" } else { "0" });
        command
    }

    fn copy_files(&self, recipe: &Recipe, go: &Path, files: &ModuleFiles, work: &Path) -> Result<()> {
        let mut command = self.command(recipe, go);
        let module = run(command.args(["list", "-m", "-f", "{{.Dir}}", files.module]))?;
        let from = Path::new(module.trim()).join(files.from);
        copy_tree(&from, &work.join(files.to)).with_context(|| format!("cannot copy {}", from.display()))
    }
}

fn cache_folder() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = variable(CACHE) {
        return std::path::absolute(&folder).with_context(|| format!("{CACHE} names no usable folder"));
    }
    let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let cache = cache.with_context(|| format!("no HOME: set {CACHE} to a folder for the built parts"))?;
    Ok(cache.join("kompox/parts"))
}

fn arguments(recipe: &Recipe) -> Vec<&'static str> {
    let mut arguments = vec!["build", "-trimpath", "-buildvcs=false", "-ldflags", recipe.ldflags];
    if !recipe.tags.is_empty() {
        arguments.extend(["-tags", recipe.tags]);
    }
    arguments
}

fn lock(recipe: &Recipe, path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say(&format!("waiting for another process that builds {}", recipe.what));
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    Ok(file)
}

/// Runs a short command and gives its standard output.
fn run(command: &mut Command) -> Result<String> {
    let shown: Vec<OsString> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(OsString::from).collect();
    let shown = shown.join(" ".as_ref());
    let output = command.output().with_context(|| format!("cannot run {}", shown.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", shown.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests;
