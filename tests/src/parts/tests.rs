use super::*;

const HELLO: Recipe = Recipe {
    name: "hello",
    what: "hello (a test)",
    takes: "a second",
    package: ".",
    tags: "",
    ldflags: "",
    cgo: false,
    files: &[ModuleFiles { module: "example.com/hello", from: "data", to: "copied" }],
};
const PROGRAM: &str = "package main\n\nfunc main() { println(\"hello\") }\n";

/// A workshop with the source of one small program and an empty cache.
fn workshop(base: &Path) -> Workshop {
    let source = base.join("sources/hello");
    std::fs::create_dir_all(source.join("data/inner")).unwrap();
    std::fs::write(source.join("go.mod"), "module example.com/hello\n\ngo 1.24\n").unwrap();
    std::fs::write(source.join("main.go"), PROGRAM).unwrap();
    std::fs::write(source.join("data/inner/file"), "content").unwrap();
    let path = std::env::var_os("PATH").unwrap();
    Workshop { sources: base.join("sources"), cache: base.join("cache"), path }
}

/// Says so and gives true on a machine where the tests of real builds cannot run.
fn without_go(workshop: &Workshop) -> bool {
    let missing = workshop.toolchain(&HELLO).err();
    missing.inspect(|error| say(&format!("skipped: {error}"))).is_some()
}

#[test]
fn two_builders_make_one_part_with_its_files() {
    let base = tempfile::tempdir().unwrap();
    let workshop = workshop(base.path());
    if without_go(&workshop) {
        return;
    }
    let built = std::thread::scope(|scope| {
        let threads = [scope.spawn(|| workshop.obtain(&HELLO)), scope.spawn(|| workshop.obtain(&HELLO))];
        threads.map(|thread| thread.join().unwrap().unwrap())
    });
    assert_eq!(built[0], built[1]);
    let output = Command::new(built[0].join("hello")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "hello\n");
    assert_eq!(std::fs::read_to_string(built[0].join("copied/inner/file")).unwrap(), "content");
    let mut left: Vec<_> = std::fs::read_dir(&workshop.cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    left.sort();
    assert_eq!(left, [built[0].clone(), workshop.cache.join("hello.lock")], "nothing half-built is left");
}

#[test]
fn a_part_that_is_there_needs_no_toolchain() {
    let base = tempfile::tempdir().unwrap();
    let mut workshop = workshop(base.path());
    workshop.path = OsString::new();
    let target = workshop.target(&HELLO).unwrap();
    std::fs::create_dir_all(&target).unwrap();
    assert_eq!(workshop.obtain(&HELLO).unwrap(), target);
}

#[test]
fn changed_sources_or_flags_make_another_part() {
    let base = tempfile::tempdir().unwrap();
    let workshop = workshop(base.path());
    let first = workshop.target(&HELLO).unwrap();
    assert_eq!(workshop.target(&HELLO).unwrap(), first);
    assert_ne!(workshop.target(&Recipe { tags: "other", ..HELLO }).unwrap(), first);
    std::fs::write(base.path().join("sources/hello/go.sum"), "").unwrap();
    assert_ne!(workshop.target(&HELLO).unwrap(), first);
}

#[test]
fn a_machine_without_go_or_a_compiler_is_told_what_to_install() {
    let base = tempfile::tempdir().unwrap();
    let mut workshop = workshop(base.path());
    let go = find_program_in("go", &workshop.path);
    workshop.path = OsString::from("/nonexistent");
    let error = workshop.obtain(&HELLO).unwrap_err().to_string();
    assert_eq!(error, "hello (a test) is built with Go, and there is no `go` on the PATH: install Go 1.26 or newer");
    let Some(go) = go else { return };
    // A folder with Go and nothing else.
    std::os::unix::fs::symlink(go, base.path().join("go")).unwrap();
    workshop.path = base.path().as_os_str().to_owned();
    let error = workshop.obtain(&Recipe { cgo: true, ..HELLO }).unwrap_err().to_string();
    assert!(error.contains("has C sources, and there is no `"), "{error}");
}

#[test]
fn a_program_that_does_not_compile_shows_why_and_leaves_nothing() {
    let base = tempfile::tempdir().unwrap();
    let workshop = workshop(base.path());
    if without_go(&workshop) {
        return;
    }
    std::fs::write(base.path().join("sources/hello/main.go"), "package main\n\nfunc main() { missing() }\n").unwrap();
    let error = workshop.obtain(&HELLO).unwrap_err().to_string();
    assert!(error.contains("cannot build hello") && error.contains("undefined: missing"), "{error}");
    assert!(!workshop.target(&HELLO).unwrap().exists());
}
