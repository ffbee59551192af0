use super::*;

/// A server over real repositories that wants a login, or not.
fn serving(origin: &Origin, authorization: Option<&'static str>) -> Server {
    let root = origin.root();
    Server::start(move |request| {
        if authorization.is_some() && request.header("authorization") != authorization {
            return Reply::status(401).header("WWW-Authenticate", "Basic realm=\"git\"");
        }
        http_backend(&root, request)
    })
}

fn token(desk: &Desk, value: &str) -> Option<Credentials> {
    let path = desk.cache.path().join("token");
    std::fs::write(&path, value).unwrap();
    Some(Credentials::Token(SecretFile::new(path)))
}

/// `oauth2:s3cret-canary`.
const BASIC: &str = "Basic b2F1dGgyOnMzY3JldC1jYW5hcnk=";

#[tokio::test]
async fn a_poll_without_news_costs_one_request() {
    let origin = Origin::new();
    let server = serving(&origin, None);
    let desk = Desk::remote(&server);
    let source = desk.source();
    let first = source.fetch(None).await.unwrap();
    assert_eq!(first.change, Change::First);
    assert_eq!(text(&first.snapshot, "compose.yml"), "services: {}\n");
    let discover = "GET /ops/apps.git/info/refs";
    let ask = "POST /ops/apps.git/git-upload-pack";
    assert_eq!(server.take(), [discover, ask, ask]);
    let again = source.fetch(Some(&first.snapshot.revision.id)).await.unwrap();
    assert_eq!(again.change, Change::Unchanged);
    assert_eq!(server.take(), [ask]);
    let commit = origin.commit("compose.yml", "# two\n", "Two");
    let next = source.fetch(Some(&first.snapshot.revision.id)).await.unwrap();
    assert_eq!((next.change, next.snapshot.revision.id), (Change::Forward, id(&commit)));
    assert_eq!(server.take(), [ask, ask]);
    // A new process over the same cache fetches nothing that is there.
    let known = desk.source().fetch(Some(&id(&commit))).await.unwrap();
    assert_eq!(known.change, Change::Unchanged);
    assert_eq!(server.take(), [discover, ask]);
}

/// The test above once more, as another process whose user has a Git configuration that would break everything.
#[test]
fn the_users_git_configuration_is_not_looked_at() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join(".config/git")).unwrap();
    for file in [".gitconfig", ".config/git/config"] {
        std::fs::write(home.path().join(file), "[this is no Git configuration\n").unwrap();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "source::git::tests::http::a_poll_without_news_costs_one_request"])
        .env("HOME", home.path())
        .env_remove("XDG_CONFIG_HOME")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn only_what_is_new_is_sent() {
    let origin = Origin::new();
    origin.commit("big", &"0123456789abcdef\n".repeat(50_000), "Big");
    let noise: String = (0..20_000_u32).map(|n| format!("{:x}\n", n.wrapping_mul(2_654_435_761))).collect();
    origin.commit("noise", &noise, "Noise");
    let server = serving(&origin, None);
    let desk = Desk::remote(&server);
    let source = desk.source();
    let first = source.fetch(None).await.unwrap().snapshot.revision.id;
    let before = desk.packs().iter().map(|pack| pack.metadata().unwrap().len()).sum::<u64>();
    origin.commit("compose.yml", "# two\n", "Two");
    source.fetch(Some(&first)).await.unwrap();
    let after = desk.packs().iter().map(|pack| pack.metadata().unwrap().len()).sum::<u64>();
    assert!(before > 50_000 && after - before < 2_000, "{before} {after}");
}

#[tokio::test]
async fn servers_that_only_speak_version_0_are_understood() {
    let origin = Origin::new();
    git(&origin.work(), &["tag", "-a", "v1", "-m", "One"]);
    git(&origin.work(), &["push", "-q", "origin", "v1"]);
    let first = git(&origin.work(), &["rev-parse", "HEAD"]);
    let root = origin.root();
    let server = Server::start(move |request| {
        let mut old = request.clone();
        old.headers.remove("git-protocol");
        http_backend(&root, &old)
    });
    let desk = Desk::remote(&server);
    let source = desk.source();
    let fetched = source.fetch(None).await.unwrap();
    assert_eq!(fetched.snapshot.revision.id, id(&first));
    let tagged = Desk::remote(&server).wanting(Reference::Tag("v1".into())).source().fetch(None).await.unwrap();
    assert_eq!(tagged.snapshot.revision.id, id(&first));
    server.take();
    let commit = origin.commit("compose.yml", "# two\n", "Two");
    let next = source.fetch(Some(&id(&first))).await.unwrap();
    assert_eq!((next.change, next.snapshot.revision.id), (Change::Forward, id(&commit)));
    assert_eq!(server.take(), ["GET /ops/apps.git/info/refs", "POST /ops/apps.git/git-upload-pack"]);
    // Such a server gives out commits by hash only when it is told to.
    let desk = Desk::remote(&server).wanting(Reference::Commit(first.clone()));
    assert_eq!(fails(&desk.source()).await.help.as_deref(), Some("name a branch or tag in `ref`"));
    git(&origin.bare(), &["config", "uploadpack.allowReachableSHA1InWant", "true"]);
    assert_eq!(desk.source().fetch(None).await.unwrap().snapshot.revision.id, id(&first));
}

#[tokio::test]
async fn branches_tags_and_commits_can_be_wanted() {
    let origin = Origin::new();
    let first = git(&origin.work(), &["rev-parse", "HEAD"]);
    git(&origin.work(), &["tag", "-a", "v1", "-m", "One"]);
    git(&origin.work(), &["push", "-q", "origin", "v1"]);
    let second = origin.commit("compose.yml", "# two\n", "Two");
    let server = serving(&origin, None);
    for (reference, commit) in [
        (Reference::Branch("main".into()), &second),
        (Reference::Tag("v1".into()), &first),
        (Reference::Commit(first.clone()), &first),
    ] {
        let fetched = Desk::remote(&server).wanting(reference.clone()).source().fetch(None).await.unwrap();
        assert_eq!(fetched.snapshot.revision.id, id(commit), "{reference}");
    }
    let fault = fails(&Desk::remote(&server).wanting(Reference::Branch("mian".into())).source()).await;
    assert_eq!((fault.next, fault.message.as_str()), (Next::Stalled, "the repository has no branch `mian`"));
    let missing = Desk::remote(&server).wanting(Reference::Commit("f".repeat(40)));
    let fault = fails(&missing.source()).await;
    assert!(fault.message.contains("the Git server says: upload-pack: not our ref"), "{fault}");
    let empty = Origin::empty();
    let server = serving(&empty, None);
    assert_eq!(fails(&Desk::remote(&server).source()).await.message, "the repository is empty");
}

#[tokio::test]
async fn a_rewritten_branch_is_held() {
    let origin = Origin::new();
    let server = serving(&origin, None);
    let desk = Desk::remote(&server);
    let accepted = origin.commit("compose.yml", "# two\n", "Two");
    let source = desk.source();
    source.fetch(None).await.unwrap();
    let rewritten = origin.rewrite("# rewritten\n");
    let fetched = source.fetch(Some(&id(&accepted))).await.unwrap();
    assert_eq!(fetched.snapshot.revision.id, id(&accepted));
    assert_eq!(fetched.held.unwrap().revision.id, id(&rewritten));
    // With the cache gone, the accepted commit is fetched by its hash.
    let fetched = Desk::remote(&server).source().fetch(Some(&id(&accepted))).await.unwrap();
    assert_eq!(text(&fetched.snapshot, "compose.yml"), "# two\n");
    assert_eq!(fetched.held.unwrap().revision.id, id(&rewritten));
}

#[tokio::test]
async fn credentials_are_read_when_they_are_used() {
    let origin = Origin::new();
    let server = serving(&origin, Some(BASIC));
    let mut desk = Desk::remote(&server);
    let fault = fails(&desk.source()).await;
    assert_eq!((fault.next, fault.code), (Next::Stalled, "access-denied"));
    assert!(fault.message.ends_with("needs a login"), "{fault}");
    desk.config.credentials = token(&desk, "wrong-canary");
    let source = desk.source();
    let fault = fails(&source).await;
    assert!(fault.message.ends_with("refuses our credentials"), "{fault}");
    let help = fault.help.unwrap();
    assert!(help.starts_with("check ") && help.contains("/token: is the token valid"), "{help}");
    // The file is mended; no restart is needed.
    token(&desk, "s3cret-canary\n");
    assert!(source.fetch(None).await.is_ok());
    std::fs::remove_file(desk.cache.path().join("token")).unwrap();
    assert_eq!(fails(&source).await.code, "credentials");
    let (user, password) = (desk.cache.path().join("user"), desk.cache.path().join("password"));
    std::fs::write(&user, "oauth2").unwrap();
    std::fs::write(&password, "s3cret-canary").unwrap();
    let (username, password) = (SecretFile::new(user), SecretFile::new(password));
    desk.config.credentials = Some(Credentials::Password { username, password });
    assert!(desk.source().fetch(None).await.is_ok());
}

#[tokio::test]
async fn a_redirect_to_another_server_is_not_followed() {
    let stranger = Server::start(|_| Reply::status(200));
    let target = stranger.url("/ops/apps.git/info/refs?service=git-upload-pack").to_string();
    let server = Server::start(move |_| Reply::status(302).header("Location", &target));
    let mut desk = Desk::remote(&server);
    desk.config.credentials = token(&desk, "s3cret-canary");
    let fault = fails(&desk.source()).await;
    assert_eq!((fault.next, fault.code), (Next::Stalled, "redirect"));
    assert!(fault.message.contains("redirects to another server (http://127.0.0.1)"), "{fault}");
    assert_eq!(stranger.requests().len(), 0);
    assert_eq!(server.requests()[0].header("authorization"), Some(BASIC));
}

#[tokio::test]
async fn a_redirect_after_the_first_answer_is_not_followed_either() {
    let origin = Origin::new();
    let root = origin.root();
    let stranger = Server::start(|_| Reply::status(200));
    let target = stranger.url("/ops/apps.git/git-upload-pack").to_string();
    let server = Server::start(move |request| match request.method.as_str() {
        "POST" => Reply::status(307).header("Location", &target),
        _ => http_backend(&root, request),
    });
    let mut desk = Desk::remote(&server);
    desk.config.credentials = token(&desk, "s3cret-canary");
    assert_eq!(fails(&desk.source()).await.code, "redirect");
    assert_eq!(stranger.requests().len(), 0);
}

#[tokio::test]
async fn a_renamed_repository_is_found_on_the_same_server() {
    let origin = Origin::new();
    let root = origin.root();
    let server = Server::start(move |request| match request.path.strip_prefix("/old/name") {
        Some(rest) => Reply::status(301).header("Location", &format!("/ops/apps.git{rest}?{}", request.query)),
        None => http_backend(&root, request),
    });
    let source = Desk::new(Location::Remote(server.url("/old/name"))).source();
    assert!(source.fetch(None).await.is_ok());
    let circle = Server::start(|request| Reply::status(301).header("Location", &request.path));
    let fault = fails(&Desk::remote(&circle).source()).await;
    assert!(fault.message.ends_with("redirects in circles"), "{fault}");
    let page = Server::start(|_| Reply::status(302).header("Location", "/user/login"));
    let fault = fails(&Desk::remote(&page).source()).await;
    assert!(fault.message.ends_with("redirects to a page that is no repository"), "{fault}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_at_the_deadline() {
    let server = Server::start(|_| Reply::Hang);
    let mut desk = Desk::remote(&server);
    desk.limits.find = Duration::from_millis(300);
    let begin = Instant::now();
    let fault = fails(&desk.source()).await;
    assert_eq!((fault.next, fault.code), (Next::Retry { after: None }, "timeout"));
    assert!(begin.elapsed() < Duration::from_secs(5));
    desk.limits.find = Duration::from_secs(30);
    desk.limits.idle = Duration::from_millis(300);
    let fault = fails(&desk.source()).await;
    assert!(fault.message.ends_with("no answer in time"), "{fault}");
}

/// A server that answers fetches (not the questions before them) by cutting the real answer.
fn cutting(origin: &Origin, cut: fn(Vec<(String, String)>, Vec<u8>) -> Reply) -> (Server, Arc<AtomicUsize>) {
    let root = origin.root();
    let left = Arc::new(AtomicUsize::new(usize::MAX));
    let cuts = Arc::clone(&left);
    let server = Server::start(move |request| {
        let fetch = request.body.windows(5).any(|bytes| bytes == b"want ");
        match http_backend(&root, request) {
            Reply::Whole { headers, body, .. } if fetch && cuts.load(Ordering::SeqCst) > 0 => {
                cuts.fetch_sub(1, Ordering::SeqCst);
                cut(headers, body)
            }
            reply => reply,
        }
    });
    (server, left)
}

fn without_length(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.into_iter().filter(|(name, _)| name != "Content-Length").collect()
}

#[tokio::test]
async fn a_download_that_breaks_off_leaves_nothing_and_is_tried_again() {
    let origin = Origin::new();
    let half =
        |headers, body: Vec<u8>| Reply::Cut { headers: without_length(headers), body: body[..body.len() / 2].to_vec() };
    let (server, left) = cutting(&origin, half);
    let desk = Desk::remote(&server);
    let source = desk.source();
    let fault = fails(&source).await;
    assert_eq!((fault.next, fault.code), (Next::Retry { after: None }, "connection"), "{fault}");
    assert_eq!((desk.packs().len(), desk.leftovers()), (0, 0));
    left.store(0, Ordering::SeqCst);
    assert!(source.fetch(None).await.is_ok());
}

#[tokio::test]
async fn a_download_that_stalls_is_given_up_and_frees_its_thread_and_lock() {
    let origin = Origin::new();
    let half = |headers, body: Vec<u8>| Reply::Stall {
        headers: without_length(headers),
        body: body[..body.len() / 2].to_vec(),
    };
    let (server, left) = cutting(&origin, half);
    let mut desk = Desk::remote(&server);
    desk.limits.download = Duration::from_millis(500);
    let source = desk.source();
    let fault = fails(&source).await;
    assert_eq!((fault.next, fault.code), (Next::Retry { after: None }, "timeout"), "{fault}");
    left.store(0, Ordering::SeqCst);
    desk.limits.download = Duration::from_secs(20);
    // Another process could go on at once: the lock is free.
    assert!(desk.source().fetch(None).await.is_ok());
    assert_eq!(desk.leftovers(), 0);
}

#[tokio::test]
async fn a_pack_that_does_not_fit_its_hashes_is_refused() {
    let origin = Origin::new();
    let flip = |headers: Vec<(String, String)>, mut body: Vec<u8>| {
        let begin = body.windows(4).position(|bytes| bytes == b"PACK").unwrap();
        body[begin + 40] ^= 0xff;
        Reply::Whole { status: 200, headers: without_length(headers), body }
    };
    let (server, left) = cutting(&origin, flip);
    let desk = Desk::remote(&server);
    let source = desk.source();
    let fault = fails(&source).await;
    assert_eq!((fault.next, fault.code), (Next::Retry { after: None }, "damaged-pack"), "{fault}");
    assert_eq!((desk.packs().len(), desk.leftovers()), (0, 0));
    left.store(0, Ordering::SeqCst);
    assert!(source.fetch(None).await.is_ok());
}

#[tokio::test]
async fn more_than_the_limits_ends_the_download() {
    let origin = Origin::new();
    let noise: String = (0..200_000_u32).map(|n| format!("{:x}\n", n.wrapping_mul(2_654_435_761))).collect();
    origin.commit("noise", &noise, "Noise");
    let server = serving(&origin, None);
    let mut desk = Desk::remote(&server);
    desk.limits.pack = PackLimits { bytes: 100_000, objects: 1_000 };
    let fault = fails(&desk.source()).await;
    assert_eq!((fault.next, fault.code), (Next::Stalled, "too-large"), "{fault}");
    desk.limits.pack = PackLimits { bytes: 100_000_000, objects: 3 };
    let fault = fails(&desk.source()).await;
    assert!(fault.message.ends_with("it has 6 objects, more than the limit of 3"), "{fault}");
    assert_eq!((desk.packs().len(), desk.leftovers()), (0, 0));
    let endless = Server::start(|request| match request.method.as_str() {
        "GET" => Reply::Endless,
        _ => Reply::status(500),
    });
    let fault = fails(&Desk::remote(&endless).source()).await;
    // Without the right content type not even the first byte is read.
    assert_eq!(fault.code, "git-protocol");
}

#[tokio::test]
async fn answers_are_sorted_by_what_happens_next() {
    let origin = Origin::new();
    let script: Arc<Mutex<Option<Reply>>> = Arc::default();
    let (root, next) = (origin.root(), Arc::clone(&script));
    let server = Server::start(move |request: &Request| match next.lock().unwrap().take() {
        Some(reply) => reply,
        None => http_backend(&root, request),
    });
    let desk = Desk::remote(&server);
    let source = desk.source();
    let retry = Next::Retry { after: None };
    let html = Reply::Whole {
        status: 200,
        headers: vec![("Content-Type".to_owned(), "text/html".to_owned())],
        body: b"<html>Please log in".to_vec(),
    };
    let garbage = Reply::Whole {
        status: 200,
        headers: vec![("Content-Type".to_owned(), "application/x-git-upload-pack-advertisement".to_owned())],
        body: b"zzzz this is no packet".to_vec(),
    };
    for (reply, wanted, code) in [
        (Reply::status(401), Next::Stalled, "access-denied"),
        (Reply::status(403), Next::Stalled, "access-denied"),
        (Reply::status(404), Next::Stalled, "no-repository"),
        (Reply::status(418), Next::Stalled, "git-server"),
        (Reply::status(500), retry, "git-server"),
        (
            Reply::status(503).header("Retry-After", "7"),
            Next::Retry { after: Some(Duration::from_secs(7)) },
            "git-server",
        ),
        (
            Reply::status(429).header("Retry-After", "99"),
            Next::Retry { after: Some(Duration::from_secs(99)) },
            "git-server",
        ),
        (html, Next::Stalled, "git-protocol"),
        (garbage, Next::Stalled, "git-protocol"),
    ] {
        *script.lock().unwrap() = Some(reply);
        let fault = fails(&source).await;
        assert_eq!((fault.next, fault.code), (wanted, code), "{fault}");
    }
    // After all that, the same source works as if nothing had been.
    assert!(source.fetch(None).await.is_ok());
}

#[tokio::test]
async fn a_server_that_is_down_is_told_from_one_that_refuses() {
    let server = Server::start(|_| Reply::Hang);
    let url = server.url("/ops/apps.git");
    drop(server);
    let fault = fails(&Desk::new(Location::Remote(url)).source()).await;
    assert_eq!((fault.next, fault.code), (Next::Retry { after: None }, "unreachable"));
    assert!(fault.message.contains("Connection refused"), "{fault}");
}

#[tokio::test]
async fn a_reference_that_moves_between_the_question_and_the_download_is_no_trouble() {
    let origin = Origin::new();
    let root = origin.root();
    let work = origin.work();
    let moved = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |request| {
        let fetch = request.body.windows(5).any(|bytes| bytes == b"want ");
        if fetch && moved.fetch_add(1, Ordering::SeqCst) == 0 {
            git(&work, &["commit", "-q", "--allow-empty", "-m", "Meanwhile"]);
            git(&work, &["push", "-q", "origin", "HEAD"]);
        }
        http_backend(&root, request)
    });
    let desk = Desk::remote(&server);
    let source = desk.source();
    let first = source.fetch(None).await.unwrap().snapshot.revision;
    assert_eq!(first.subject, "Begin");
    let next = source.fetch(Some(&first.id)).await.unwrap();
    assert_eq!((next.change, next.snapshot.revision.subject.as_str()), (Change::Forward, "Meanwhile"));
}
