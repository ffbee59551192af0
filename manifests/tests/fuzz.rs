//! Conversion never panics, whatever the bytes; and the same files give the same bytes.
//!
//! The real files of `examples/` and `tests/fixtures/`, and files that SOPS has encrypted, are changed at random: bytes,
//! lines, and pieces of syntax that readers fall over. What was encrypted is shown in no round. A number of rounds is run with every test run; `make fuzz` goes on for longer. A round is named by its
//! number, from which it can be run again.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test ends where something is not as it should be"
)]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use kompox_manifests::desired::{Desired, Terms, desire};
use kompox_manifests::diagnostic::Colour;
use kompox_manifests::model::App;
use kompox_manifests::render::{render, to_yaml};
use kompox_manifests::slots::{PvSource, Slots, VolumeBinding, VolumeClass};
use kompox_manifests::sops::{AgeKeys, Decryption};
use kompox_manifests::source::MemoryTree;

type Files = BTreeMap<String, Vec<u8>>;

/// Rounds of every test run.
const ROUNDS: u64 = 1500;
/// Where the rounds begin, and how long they go on (instead of [`ROUNDS`]).
const FIRST: &str = "KOMPOX_FUZZ_FIRST";
const SECONDS: &str = "KOMPOX_FUZZ_SECONDS";
/// The file into which a process of its own writes what it renders.
const PRINT: &str = "KOMPOX_FUZZ_PRINT";

/// Pieces of YAML, of Compose and of bytes that are no text.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\xff\xfe",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\r",
    b"\r\n",
    b"\t",
    b"\n",
    b"\xe2\x80\xa8",
    b"\xf0\x9f\x90\xb3",
    b": ",
    b"- ",
    b"? ",
    b"!!binary ",
    b"!reset ",
    b"!override ",
    b"!!null ",
    b"!<tag:x> ",
    b"&a ",
    b"*a",
    b"<<: *a",
    b"<<: [*a, *a]",
    b"|",
    b">-\n",
    b"|9\n",
    b"\"",
    b"'",
    b"#",
    b"%YAML 9.9\n",
    b"---\n",
    b"...\n",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[[[[[[[[[",
    b"${",
    b"$",
    b"$$",
    b"${A:-${B:?${C}}}",
    b"${A?",
    b"{}",
    b"[]",
    b"~",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"0x",
    b"0o9",
    b"1e999",
    b".inf",
    b".nan",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"99999999999999999999Ei",
    b"-1s",
    b"1h1h",
    b"9999999999999h",
    b"2026-02-30",
    b"file:../..",
    b"file:compose.yml",
    b"/",
    b"..",
    b"../../../etc/passwd",
    b"65536:65536",
    b"1-0:0-1",
    b"[::]:1:1/udp",
    b"::::",
    b"@",
    b"a:b:c:d:e",
    b"extends: {service: web, file: compose.yml}\n",
    b"include: [compose.yml]\n",
    b"sops: {mac: x, age: []}\n",
    b"ENC[AES256_GCM,data:,iv:,tag:,type:str]",
    b"ENC[AES256_GCM,data:iN/ObElTt9TorA==,iv:Z/Yks+GuxGougRw920kUkn==,tag:AA==,type:int]",
    b"-----BEGIN AGE ENCRYPTED FILE-----\n",
    b"sops_mac=x\n",
    b"depends_on: [app, db]\n",
    b"network_mode: service:app\n",
    b"x-kompox: {resources: {cpu: -1}}\n",
];

/// SplitMix64: the same number gives the same changes, on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where that is 0.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap().max(1);
        usize::try_from(self.next() % end).unwrap()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(folder: &Path, prefix: &str, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &format!("{path}/"), files);
        } else if !path.ends_with("expected.yaml") {
            files.insert(path, fs::read(entry.path()).unwrap());
        }
    }
}

/// Files that SOPS has encrypted for a key of the tests.
const ENCRYPTED: &str = "manifests/src/sops/testdata";
/// What is encrypted in them, and its base64.
const HIDDEN: (&str, &str) = ("hush", "aHVzaA==");

/// The terms that the encrypted files are read on.
fn terms() -> Terms {
    let keys = fs::read_to_string(root().join(ENCRYPTED).join("agent.agekey")).unwrap();
    Terms { decryption: Decryption::Keys(AgeKeys::parse(&keys).unwrap()), ..Terms::default() }
}

/// Two Apps of encrypted files: a Compose file, and all other places where a file may be encrypted.
fn encrypted() -> Files {
    let entry = |app: &str, compose: &str| {
        format!(
            "version: v1\nworkspace: {{name: w}}\nprovider: {{name: p, driver: local}}\ncluster: {{name: c}}\napp:\n  name: \
             {app}\n  compose: file:{compose}\n"
        )
    };
    let compose = "services:
  web:
    image: nginx:1.29
    env_file: [lines.env]
    environment: {TAKEN: \"x ${A_PASSWORD}\"}
    secrets: [blob, json, yaml]
secrets:
  blob: {file: blob.bin}
  json: {file: values.json}
  yaml: {file: values.yaml}
";
    let mut files = Files::from([
        ("one/kompoxops.yml".to_owned(), entry("one", "partly.yaml").into_bytes()),
        ("two/kompoxops.yml".to_owned(), entry("two", "compose.yml").into_bytes()),
        ("two/compose.yml".to_owned(), compose.into()),
    ]);
    let copies = [
        ("partly.yaml", "one/partly.yaml"),
        ("lines.env", "two/.env"),
        ("lines.env", "two/lines.env"),
        ("blob.bin", "two/blob.bin"),
        ("values.json", "two/values.json"),
        ("values.yaml", "two/values.yaml"),
    ];
    for (from, to) in copies {
        files.insert(to.to_owned(), fs::read(root().join(ENCRYPTED).join(from)).unwrap());
    }
    files
}

/// Every example and fixture by itself, in the order of their names, and the encrypted files.
fn corpus() -> Vec<(String, Files)> {
    let mut corpus = Vec::new();
    for kind in ["examples", "tests/fixtures"] {
        for entry in fs::read_dir(root().join(kind)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                let mut files = Files::new();
                read(&entry.path(), "", &mut files);
                corpus.push((format!("{kind}/{}", entry.file_name().to_str().unwrap()), files));
            }
        }
    }
    corpus.push((ENCRYPTED.to_owned(), encrypted()));
    corpus.sort();
    assert!(corpus.len() >= 8, "the examples are the corpus");
    corpus
}

/// Where a line begins, at or before `at`.
fn line_start(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes.iter().skip(at).position(|byte| *byte == b'\n').map_or(bytes.len(), |newline| at + newline + 1)
}

fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let line = line_start(bytes, at)..line_end(bytes, at);
    match random.below(9) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            let end = (at + random.below(9)).min(bytes.len());
            bytes.drain(at..end);
        }
        2 => bytes.truncate(at),
        3 => {
            bytes.drain(line);
        }
        4 => {
            let copy = bytes.get(line.clone()).unwrap_or_default().to_vec();
            let to = line_start(bytes, random.below(bytes.len() + 1));
            bytes.splice(to..to, copy);
        }
        5 => {
            let from = line_start(other, random.below(other.len() + 1));
            let to = line_end(other, (from + random.below(200)).min(other.len()));
            let copy = other.get(from..to).unwrap_or_default().to_vec();
            bytes.splice(line.start..line.start, copy);
        }
        6 => {
            let spaces = vec![b' '; random.below(6)];
            bytes.splice(line.start..line.start, spaces);
        }
        7 => {
            // The value of a key of one line becomes another.
            let text = bytes.get(line.clone()).unwrap_or_default();
            if let Some(colon) = text.iter().position(|byte| *byte == b':') {
                let from = line.start + colon + 1;
                let end = line.end.saturating_sub(1).max(from).min(bytes.len());
                let piece = PIECES.get(random.below(PIECES.len())).unwrap();
                let value: Vec<u8> = b" ".iter().chain(*piece).copied().collect();
                bytes.splice(from..end, value);
            }
        }
        _ => {
            let piece = PIECES.get(random.below(PIECES.len())).unwrap();
            bytes.splice(at..at, piece.iter().copied());
        }
    }
}

/// The files of a round: those of one of the corpus with one to six changes.
fn changed(corpus: &[(String, Files)], round: u64) -> (String, Files) {
    let mut random = Random(round);
    let (name, files) = corpus.get(random.below(corpus.len())).unwrap();
    let (_, others) = corpus.get(random.below(corpus.len())).unwrap();
    let mut files = files.clone();
    for _ in 0..=random.below(6) {
        let other = others.values().nth(random.below(others.len())).unwrap();
        let path = files.keys().nth(random.below(files.len())).unwrap().clone();
        change(files.get_mut(&path).unwrap(), other, &mut random);
    }
    (name.clone(), files)
}

/// Every volume on a disk of its name.
fn slots(app: &App) -> Slots {
    let binding = |name: &str| {
        let source = PvSource::Csi {
            driver: "disk.example.com".to_owned(),
            handle: name.to_owned(),
            attributes: BTreeMap::from([("fsType".to_owned(), "ext4".to_owned())]),
        };
        let class = VolumeClass {
            storage_class: "managed-csi".to_owned(),
            access_modes: vec!["ReadWriteOnce".to_owned()],
            source,
            node_affinity: Vec::new(),
        };
        VolumeBinding { handle: name.to_owned(), size: None, class }
    };
    let volumes = app.volumes.iter().map(|volume| (volume.name.clone(), binding(&volume.name))).collect();
    Slots { volumes, ..Slots::default() }
}

/// All that people and the cluster get to see of the files.
fn shown(desired: &Desired) -> String {
    let mut text = String::new();
    for finding in &desired.diagnostics {
        text += &finding.render(Colour::Never);
        text += &finding.to_json().to_string();
        text.push('\n');
    }
    for app in desired.apps() {
        text += &to_yaml(&render(app, &Slots::default()));
        text += &to_yaml(&render(app, &slots(app)));
    }
    text
}

fn convert(files: &Files, terms: &Terms) -> String {
    shown(&desire(&MemoryTree::new(files.clone()), "", terms))
}

#[test]
fn the_encrypted_files_are_read() {
    let shown = convert(&encrypted(), &terms());
    assert!(shown.contains(HIDDEN.1) && !shown.contains("error["), "{shown}");
}

#[test]
fn conversion_panics_on_no_bytes_and_says_the_same_twice() {
    let (corpus, terms) = (corpus(), terms());
    let first = std::env::var(FIRST).map_or(0, |number| number.parse().unwrap());
    let end = std::env::var(SECONDS).ok().map(|number| Instant::now() + Duration::from_secs(number.parse().unwrap()));
    let (mut sound, mut refused) = (0_u64, 0_u64);
    let mut round: u64 = first;
    while end.map_or(round < first + ROUNDS, |end| Instant::now() < end) {
        let (name, files) = changed(&corpus, round);
        let result = catch_unwind(AssertUnwindSafe(|| (convert(&files, &terms), convert(&files, &terms))));
        let Ok((once, twice)) = result else {
            panic!("round {round} of {name} panics (see above); {FIRST}={round} runs it again");
        };
        assert_eq!(once, twice, "round {round} of {name} is told differently the second time");
        assert!(!once.contains(HIDDEN.0), "round {round} of {name} shows what is encrypted");
        if desire(&MemoryTree::new(files), "", &terms).is_sound() {
            sound += 1
        } else {
            refused += 1
        }
        round += 1;
    }
    eprintln!("{} rounds from {first}: {sound} sound, {refused} refused", round - first);
    // Changes that are always refused, or never, would try only half of the way.
    assert!(end.is_some() || (sound > ROUNDS / 20 && refused > ROUNDS / 20), "{sound} sound, {refused} refused");
}

#[test]
fn bytes_of_no_language_at_all_are_refused() {
    let mut random = Random(7);
    for length in 0..300 {
        let bytes: Vec<u8> = (0..length).map(|_| random.next().to_le_bytes()[0]).collect();
        for entry in ["kompoxops.yml", "kompoxapp.yml"] {
            let tree = MemoryTree::new([(entry, bytes.clone())]);
            let desired = desire(&tree, "", &Terms::default());
            shown(&desired);
            assert_eq!(desired.apps().count(), 0, "{entry} of {length} random bytes");
            assert!(!desired.is_sound(), "{entry} of {length} random bytes");
        }
    }
}

/// Every example and fixture, with the names of their folders.
fn all() -> String {
    let terms = terms();
    corpus().iter().map(|(name, files)| format!("# {name}\n{}", convert(files, &terms))).collect()
}

#[test]
fn every_process_renders_the_same_bytes() {
    if let Some(file) = std::env::var_os(PRINT) {
        return fs::write(file, all()).unwrap();
    }
    let here = all();
    assert!(here.contains("kind: Deployment") && here.contains("kind: PersistentVolume\n"), "nothing to compare");
    // Another process has other seeds of its hash maps and other addresses.
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "other"] {
        let file = folder.path().join(name);
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output =
            command.args(["--exact", "every_process_renders_the_same_bytes"]).env(PRINT, &file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(fs::read_to_string(&file).unwrap() == here, "another process renders other bytes");
    }
}
