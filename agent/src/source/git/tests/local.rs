use super::*;

#[tokio::test]
async fn a_commit_is_fetched_with_its_message_and_files() {
    let origin = Origin::new();
    let message = "Use the new image\n\nMore words.\n\nKompox-Accept: 4711\n";
    let commit = origin.commit("apps/web/compose.yml", "services: {web: {}}\n", message);
    let fetched = Desk::local(&origin).source().fetch(None).await.unwrap();
    let Snapshot { revision, .. } = &fetched.snapshot;
    assert_eq!(revision.id, id(&commit));
    assert_eq!(revision.author.as_deref(), Some("Ann Author"));
    assert_eq!(revision.subject, "Use the new image");
    assert_eq!(revision.trailers, [("Kompox-Accept".to_owned(), "4711".to_owned())]);
    let age = Timestamp::now().duration_since(revision.time).as_secs();
    assert!((0..60).contains(&age), "{age} s old");
    assert_eq!(fetched.change, Change::First);
    assert_eq!(text(&fetched.snapshot, "apps/web/compose.yml"), "services: {web: {}}\n");
}

#[tokio::test]
async fn what_follows_is_told_from_what_stays() {
    let origin = Origin::new();
    let desk = Desk::local(&origin);
    let source = desk.source();
    let first = source.fetch(None).await.unwrap().snapshot.revision.id;
    let again = source.fetch(Some(&first)).await.unwrap();
    assert_eq!((again.change, again.snapshot.revision.id), (Change::Unchanged, first.clone()));
    let commit = origin.commit("compose.yml", "services: {db: {}}\n", "Two");
    let next = source.fetch(Some(&first)).await.unwrap();
    assert_eq!((next.change, next.snapshot.revision.id), (Change::Forward, id(&commit)));
    assert!(next.held.is_none());
    assert_eq!(desk.packs().len(), 2);
}

#[tokio::test]
async fn a_file_url_and_a_working_tree_are_repositories_too() {
    let origin = Origin::new();
    let commit = git(&origin.work(), &["rev-parse", "HEAD"]);
    let fetched = Desk::new(Location::Repository(origin.work())).source().fetch(None).await.unwrap();
    assert_eq!(fetched.snapshot.revision.id, id(&commit));
}

#[tokio::test]
async fn a_rewritten_branch_is_held_and_the_accepted_commit_stays() {
    let origin = Origin::new();
    let desk = Desk::local(&origin);
    let accepted = origin.commit("compose.yml", "services: {db: {}}\n", "Two");
    let source = desk.source();
    source.fetch(None).await.unwrap();
    let rewritten = origin.rewrite("services: {evil: {}}\n");
    let fetched = source.fetch(Some(&id(&accepted))).await.unwrap();
    assert_eq!(fetched.snapshot.revision.id, id(&accepted));
    assert_eq!(text(&fetched.snapshot, "compose.yml"), "services: {db: {}}\n");
    let held = fetched.held.unwrap();
    assert_eq!(held.revision.id, id(&rewritten));
    let expected = format!(
        "the default branch was rewritten: commit {} does not follow {}, which stays in force; push a commit that \
         follows it, or set `allowForcePush: true`; to let exactly this go: kompox-agent hold accept {digest}, or the \
         line `Kompox-Accept: {digest}` in its message",
        &rewritten[..8],
        &accepted[..8],
        digest = held.digest,
    );
    assert_eq!(held.reason, expected);
    // The digest is of the content: the word for it stands in the message of the commit that it is about.
    let digest = async |rewritten: String| {
        let held = source.fetch(Some(&id(&accepted))).await.unwrap().held.unwrap();
        assert_eq!(held.revision.id, id(&rewritten));
        held.digest
    };
    assert_ne!(digest(origin.rewrite("services: {worse: {}}\n")).await, held.digest);
    assert_eq!(digest(origin.rewrite("services: {evil: {}}\n")).await, held.digest);
    // Merging the old history in lets it go on.
    git(&origin.work(), &["merge", "-q", "-s", "ours", "-m", "Merge", &accepted]);
    let merged = origin.commit_all("Go on");
    let fetched = source.fetch(Some(&id(&accepted))).await.unwrap();
    assert_eq!((fetched.snapshot.revision.id, fetched.change), (id(&merged), Change::Forward));
}

#[tokio::test]
async fn a_rewritten_branch_is_followed_where_that_is_allowed() {
    let origin = Origin::new();
    let mut desk = Desk::local(&origin);
    desk.config.allow_force_push = true;
    let accepted = origin.commit("compose.yml", "services: {db: {}}\n", "Two");
    let source = desk.source();
    source.fetch(None).await.unwrap();
    let rewritten = origin.rewrite("services: {web: {}}\n");
    let fetched = source.fetch(Some(&id(&accepted))).await.unwrap();
    assert_eq!((fetched.snapshot.revision.id, fetched.change), (id(&rewritten), Change::Rewritten));
    assert!(fetched.held.is_none());
}

#[tokio::test]
async fn a_rewritten_branch_is_noticed_without_the_cache() {
    let origin = Origin::new();
    let accepted = origin.commit("compose.yml", "services: {db: {}}\n", "Two");
    let rewritten = origin.rewrite("services: {web: {}}\n");
    // The remote still has the old commit, though no branch leads to it.
    let fetched = Desk::local(&origin).source().fetch(Some(&id(&accepted))).await.unwrap();
    assert_eq!(fetched.snapshot.revision.id, id(&accepted));
    assert_eq!(fetched.held.unwrap().revision.id, id(&rewritten));
    // Now it has forgotten it.
    git(&origin.bare(), &["reflog", "expire", "--expire=now", "--all"]);
    git(&origin.bare(), &["gc", "-q", "--prune=now"]);
    let fault = Desk::local(&origin).source().fetch(Some(&id(&accepted))).await.err().unwrap();
    assert_eq!((fault.next, fault.code), (Next::Stalled, "rewritten"));
    assert!(fault.message.contains("the accepted commit cannot be fetched: the repository has no commit"), "{fault}");
}

#[tokio::test]
async fn branches_tags_and_commits_can_be_wanted() {
    let origin = Origin::new();
    let first = git(&origin.work(), &["rev-parse", "HEAD"]);
    git(&origin.work(), &["tag", "-a", "v1", "-m", "One"]);
    git(&origin.work(), &["tag", "light"]);
    git(&origin.work(), &["push", "-q", "origin", "v1", "light"]);
    let second = origin.commit("compose.yml", "services: {db: {}}\n", "Two");
    git(&origin.work(), &["push", "-q", "origin", "HEAD:refs/heads/feature/x"]);
    for (reference, commit) in [
        (Reference::Default, &second),
        (Reference::Branch("main".into()), &second),
        (Reference::Branch("feature/x".into()), &second),
        (Reference::Tag("v1".into()), &first),
        (Reference::Tag("light".into()), &first),
        (Reference::Commit(first.clone()), &first),
    ] {
        let fetched = Desk::local(&origin).wanting(reference.clone()).source().fetch(None).await.unwrap();
        assert_eq!(fetched.snapshot.revision.id, id(commit), "{reference}");
    }
    // A commit that the configuration names is meant, whatever was there before.
    let desk = Desk::local(&origin).wanting(Reference::Commit(first.clone()));
    let back = desk.source().fetch(Some(&id(&second))).await.unwrap();
    assert_eq!((back.snapshot.revision.id, back.change), (id(&first), Change::Rewritten));
}

#[tokio::test]
async fn what_does_not_exist_is_stalled_and_named() {
    let origin = Origin::new();
    let missing = "f".repeat(40);
    for (reference, message) in [
        (Reference::Branch("mian".into()), "the repository has no branch `mian`".to_owned()),
        (Reference::Tag("v9".into()), "the repository has no tag `v9`".to_owned()),
        (Reference::Commit(missing.clone()), format!("the repository has no commit {missing}")),
    ] {
        let fault = fails(&Desk::local(&origin).wanting(reference).source()).await;
        assert_eq!((fault.next, fault.code, fault.message), (Next::Stalled, "unknown-ref", message));
    }
    let fault = fails(&Desk::local(&Origin::empty()).source()).await;
    assert_eq!(fault.message, "the repository's default branch has no commit");
    let fault = fails(&Desk::new(Location::Repository("/no/such/repository.git".into())).source()).await;
    assert_eq!((fault.next, fault.code), (Next::Stalled, "no-repository"));
    let blob = git(&origin.work(), &["hash-object", "-w", "compose.yml"]);
    git(&origin.work(), &["tag", "blob", &blob]);
    git(&origin.work(), &["push", "-q", "origin", "blob"]);
    let fault = fails(&Desk::local(&origin).wanting(Reference::Tag("blob".into())).source()).await;
    assert_eq!((fault.next, fault.message.as_str()), (Next::Stalled, "tag `blob` does not lead to a commit"));
}

#[tokio::test]
async fn a_shallow_clone_is_no_source() {
    let origin = Origin::new();
    origin.commit("compose.yml", "services: {db: {}}\n", "Two");
    let url = format!("file://{}", origin.bare().display());
    git(&origin.root(), &["clone", "-q", "--bare", "--depth", "1", &url, "shallow.git"]);
    let fault = fails(&Desk::new(Location::Repository(origin.root().join("shallow.git"))).source()).await;
    assert_eq!(fault.help.as_deref(), Some("complete it with `git fetch --unshallow`"));
}

#[tokio::test]
async fn links_submodules_and_folders_are_reported_and_not_followed() {
    let origin = Origin::new();
    std::os::unix::fs::symlink("/etc/passwd", origin.work().join("passwd")).unwrap();
    std::os::unix::fs::symlink("apps", origin.work().join("link")).unwrap();
    std::fs::create_dir(origin.work().join("apps")).unwrap();
    std::fs::write(origin.work().join("apps/run.sh"), "#!/bin/sh\n").unwrap();
    let commit = git(&origin.work(), &["rev-parse", "HEAD"]);
    git(&origin.work(), &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},module")]);
    git(&origin.work(), &["add", "--chmod=+x", "apps/run.sh"]);
    origin.commit_all("Kinds");
    let tree = Desk::local(&origin).source().fetch(None).await.unwrap().snapshot.tree;
    let kinds: Vec<(String, EntryKind)> =
        tree.list("").unwrap().into_iter().map(|entry| (entry.name, entry.kind)).collect();
    let expected = [
        ("apps", EntryKind::Folder),
        ("compose.yml", EntryKind::File),
        ("link", EntryKind::Symlink),
        ("passwd", EntryKind::Symlink),
    ];
    let expected: Vec<(String, EntryKind)> = expected.map(|(name, kind)| (name.to_owned(), kind)).to_vec();
    assert_eq!(kinds, expected);
    assert_eq!(tree.read("passwd", 100), Err(TreeError::NotAFile(EntryKind::Symlink)));
    assert_eq!(tree.read("link/run.sh", 100), Err(TreeError::NotAFile(EntryKind::Symlink)));
    assert_eq!(tree.read("apps", 100), Err(TreeError::NotAFile(EntryKind::Folder)));
    assert_eq!(tree.read("", 100), Err(TreeError::NotAFile(EntryKind::Folder)));
    assert_eq!(&*tree.read("apps/run.sh", 10).unwrap(), b"#!/bin/sh\n");
    assert_eq!(tree.read("apps/run.sh", 9), Err(TreeError::TooLarge { size: 10, limit: 9 }));
    for path in ["missing", "compose.yml/x", "apps/missing", "../compose.yml", "apps/../compose.yml", "a\0b", "/", "."]
    {
        assert_eq!(tree.read(path, 100), Err(TreeError::NotFound), "{path:?}");
    }
    assert_eq!(tree.list("compose.yml"), Err(TreeError::NotFound));
    assert_eq!(tree.list("link"), Err(TreeError::NotFound));
}

#[tokio::test]
async fn submodules_are_told_from_files() {
    let origin = Origin::new();
    let commit = git(&origin.work(), &["rev-parse", "HEAD"]);
    git(&origin.work(), &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},module")]);
    git(&origin.work(), &["commit", "-q", "-m", "Submodule"]);
    git(&origin.work(), &["push", "-q", "origin", "HEAD"]);
    let tree = Desk::local(&origin).source().fetch(None).await.unwrap().snapshot.tree;
    assert_eq!(tree.read("module", 100), Err(TreeError::NotAFile(EntryKind::Submodule)));
    assert_eq!(tree.read("module/x", 100), Err(TreeError::NotAFile(EntryKind::Submodule)));
}

#[tokio::test]
async fn the_cache_may_go_at_any_moment() {
    let origin = Origin::new();
    let desk = Desk::local(&origin);
    let source = desk.source();
    let first = source.fetch(None).await.unwrap().snapshot.revision.id;
    assert!(source.open(&first).await.unwrap().is_some());
    std::fs::remove_dir_all(desk.cache.path().join("git")).unwrap();
    assert!(source.open(&first).await.unwrap().is_none());
    let again = source.fetch(Some(&first)).await.unwrap();
    assert_eq!(again.change, Change::Unchanged);
    assert_eq!(text(&again.snapshot, "compose.yml"), "services: {}\n");
}

#[tokio::test]
async fn the_last_commit_is_there_while_the_remote_is_not() {
    let origin = Origin::new();
    let desk = Desk::local(&origin);
    let first = desk.source().fetch(None).await.unwrap().snapshot.revision.id;
    std::fs::rename(origin.bare(), origin.root().join("away")).unwrap();
    let source = desk.source();
    assert_eq!(fails(&source).await.code, "no-repository");
    let snapshot = source.open(&first).await.unwrap().unwrap();
    assert_eq!(text(&snapshot, "compose.yml"), "services: {}\n");
    assert!(source.open(&id(&"a".repeat(40))).await.unwrap().is_none());
}

#[tokio::test]
async fn a_damaged_cache_is_thrown_away_and_fetched_again() {
    let origin = Origin::new();
    let desk = Desk::local(&origin);
    let source = desk.source();
    let first = source.fetch(None).await.unwrap().snapshot;
    for damage in ["truncate", "garbage", "missing index", "flipped bits"] {
        let pack = desk.packs().remove(0);
        std::fs::set_permissions(&pack, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let content = std::fs::read(&pack).unwrap();
        match damage {
            "truncate" => std::fs::write(&pack, &content[..content.len() / 2]).unwrap(),
            "garbage" => std::fs::write(&pack, vec![b'x'; content.len()]).unwrap(),
            "missing index" => std::fs::remove_file(pack.with_extension("idx")).unwrap(),
            _ => {
                let flipped: Vec<u8> =
                    content.iter().enumerate().map(|(at, byte)| if at > 20 { !byte } else { *byte }).collect();
                std::fs::write(&pack, flipped).unwrap();
            }
        }
        // One fetch mends what it meets itself, though `first` is still being read from.
        let id = &first.revision.id;
        let fetched = source.fetch(Some(id)).await.unwrap();
        assert_eq!(text(&fetched.snapshot, "compose.yml"), "services: {}\n", "{damage}");
        assert_eq!(fetched.snapshot.revision.id, *id, "{damage}");
    }
}

#[tokio::test]
async fn damage_that_a_reader_meets_is_mended_by_the_next_fetch() {
    let origin = Origin::new();
    let desk = Desk::local(&origin);
    let source = desk.source();
    let first = source.fetch(None).await.unwrap().snapshot;
    // All objects but the one file: the commit and its folder stay readable.
    let blob = git(&origin.work(), &["rev-parse", "HEAD:compose.yml"]);
    let others = git(&origin.work(), &["rev-list", "--objects", "HEAD"]);
    let others: Vec<&str> = others.lines().filter(|line| !line.starts_with(&blob)).collect();
    let pack = desk.packs().remove(0);
    std::fs::remove_file(pack.with_extension("idx")).unwrap();
    std::fs::remove_file(&pack).unwrap();
    std::fs::write(
        origin.root().join("list"),
        others.iter().map(|line| format!("{}\n", &line[..40])).collect::<String>(),
    )
    .unwrap();
    let target = desk.mirror().join("objects/pack/pack");
    let script = format!("git pack-objects -q {} < ../list", target.display());
    assert!(
        std::process::Command::new("sh").args(["-c", &script]).current_dir(origin.work()).status().unwrap().success()
    );
    let id = first.revision.id;
    let damaged = source.fetch(Some(&id)).await.unwrap();
    let error = damaged.snapshot.tree.read("compose.yml", 100).unwrap_err();
    assert!(matches!(&error, TreeError::Store(message) if message.contains("will be fetched again")), "{error}");
    let mended = source.fetch(Some(&id)).await.unwrap();
    assert_eq!(text(&mended.snapshot, "compose.yml"), "services: {}\n");
}

#[tokio::test]
async fn two_processes_share_a_cache() {
    let origin = Origin::new();
    let desk = Desk::local(&origin);
    let mut accepted = None;
    for number in 0..4 {
        let commit = origin.commit("compose.yml", &format!("# {number}\n"), "Next");
        let sources = [desk.source(), desk.source(), desk.source()];
        let fetches = sources.iter().map(|source| source.fetch(accepted.as_ref()));
        for fetched in futures::future::join_all(fetches).await {
            let fetched = fetched.unwrap();
            assert_eq!(fetched.snapshot.revision.id, id(&commit));
            assert_eq!(text(&fetched.snapshot, "compose.yml"), format!("# {number}\n"));
        }
        accepted = Some(id(&commit));
    }
    // Each pack was fetched by one of them only.
    assert_eq!(desk.packs().len(), 4);
    // A discard under the feet of a reader costs an error and a new fetch, nothing else.
    let (one, other) = (desk.source(), desk.source());
    let snapshot = one.fetch(accepted.as_ref()).await.unwrap().snapshot;
    other.discard().await.unwrap();
    let _ = snapshot.tree.read("compose.yml", 100);
    assert_eq!(text(&one.fetch(accepted.as_ref()).await.unwrap().snapshot, "compose.yml"), "# 3\n");
}

#[tokio::test]
async fn another_process_holding_the_lock_is_waited_for() {
    let origin = Origin::new();
    let mut desk = Desk::local(&origin);
    desk.limits.download = Duration::from_millis(300);
    let (one, other) = (desk.source(), desk.source());
    let lock = one.shared.mirror.lock(Instant::now()).await.unwrap();
    let fault = fails(&other).await;
    assert_eq!((fault.next, fault.code), (Next::Retry { after: None }, "cache-locked"));
    drop(lock);
    assert!(other.fetch(None).await.is_ok());
}

#[tokio::test]
async fn many_packs_become_one() {
    let origin = Origin::new();
    let desk = Desk::local(&origin);
    let source = desk.source();
    let mut last = source.fetch(None).await.unwrap();
    for number in 0..45 {
        origin.commit("compose.yml", &format!("# {number}\n"), "Next");
        last = source.fetch(Some(&last.snapshot.revision.id)).await.unwrap();
        assert_eq!(last.change, Change::Forward);
        assert!(desk.packs().len() <= 41, "{}", desk.packs().len());
    }
    assert!(desk.packs().len() < 10, "{}", desk.packs().len());
    assert_eq!(text(&last.snapshot, "compose.yml"), "# 44\n");
    // A Git that knows nothing of us agrees that nothing is missing.
    let folder = desk.mirror();
    git(&folder, &["--git-dir", ".", "fsck", "--strict", "--connectivity-only"]);
    let count = git(&folder, &["--git-dir", ".", "rev-list", "--count", "refs/kompox/ops"]);
    assert_eq!(count, "46");
}

#[tokio::test]
async fn more_than_the_limits_is_refused_and_leaves_nothing() {
    let origin = Origin::new();
    let mut desk = Desk::local(&origin);
    desk.limits.pack = PackLimits { bytes: 100, objects: 1_000 };
    let fault = fails(&desk.source()).await;
    assert_eq!((fault.next, fault.code), (Next::Stalled, "too-large"));
    assert!(fault.message.ends_with("it has more than 100 bytes"), "{fault}");
    desk.limits.pack = PackLimits { bytes: 1_000_000, objects: 2 };
    let fault = fails(&desk.source()).await;
    assert!(fault.message.ends_with("it has 3 objects, more than the limit of 2"), "{fault}");
    assert_eq!((desk.packs().len(), desk.leftovers()), (0, 0));
}

#[tokio::test]
async fn leftovers_of_a_killed_process_are_removed() {
    let origin = Origin::new();
    let desk = Desk::local(&origin);
    let source = desk.source();
    source.fetch(None).await.unwrap();
    std::fs::write(desk.mirror().join("objects/pack/pack_git2_abc123"), "half").unwrap();
    origin.commit("compose.yml", "# two\n", "Two");
    source.fetch(None).await.unwrap();
    assert_eq!(desk.leftovers(), 0);
}

#[tokio::test]
async fn the_cache_is_not_for_other_users_and_must_be_writable() {
    use std::os::unix::fs::PermissionsExt;
    let origin = Origin::new();
    let desk = Desk::local(&origin);
    desk.source().fetch(None).await.unwrap();
    let mode = std::fs::metadata(desk.mirror()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    // A file in the place of the cache folder cannot be written into, not even by root.
    let blocked = Desk::local(&origin);
    std::fs::write(blocked.cache.path().join("git"), "").unwrap();
    let fault = fails(&blocked.source()).await;
    assert_eq!((fault.next, fault.code), (Next::Stalled, "cache"));
    assert_eq!(fault.help.as_deref(), Some("make it writable, or name another one with --cache-dir"));
}
