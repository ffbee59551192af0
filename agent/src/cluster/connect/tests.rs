use super::*;

const TOKEN: &str = "canary-token-4711";

fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters:\n- name: c\n  cluster:\n    server: {server}\n\
         users:\n- name: u\n  user:\n    token: {TOKEN}\n\
         contexts:\n- name: test\n  context:\n    cluster: c\n    user: u\n\
         - name: other\n  context:\n    cluster: missing\n    user: u\n"
    )
}

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn options(path: &Path) -> ConnectOptions {
    ConnectOptions { kubeconfig: Some(path.to_owned()), ..ConnectOptions::default() }
}

async fn refused(options: &ConnectOptions) -> String {
    connect(options).await.err().unwrap().to_string()
}

#[test]
fn flags_win_then_the_variable_then_the_pod_then_home() {
    let (folder, _) = written("");
    std::fs::create_dir(folder.path().join(".kube")).unwrap();
    let at_home = folder.path().join(".kube").join("config");
    std::fs::write(&at_home, "").unwrap();
    let mut options = ConnectOptions { kubeconfig: Some("flag".into()), ..ConnectOptions::default() };
    let mut around =
        Surroundings { kubeconfig: Some("one::two".into()), in_cluster: true, home: Some(folder.path().to_owned()) };
    let files = |paths: &[&str]| Choice::Files(paths.iter().map(PathBuf::from).collect());
    assert_eq!(choose(&options, &around).unwrap(), files(&["flag"]));
    options.kubeconfig = None;
    assert_eq!(choose(&options, &around).unwrap(), files(&["one", "two"]));
    around.kubeconfig = Some("".into());
    assert_eq!(choose(&options, &around).unwrap(), Choice::InCluster);
    options.context = Some("test".into());
    assert_eq!(choose(&options, &around).unwrap(), Choice::Files(vec![at_home.clone()]), "a context is a kubeconfig's");
    options.context = None;
    around.in_cluster = false;
    assert_eq!(choose(&options, &around).unwrap(), Choice::Files(vec![at_home]));
    around.home = None;
    let message = choose(&options, &around).unwrap_err().to_string();
    assert!(message.contains("--kubeconfig") && message.contains("KUBECONFIG"), "{message}");
}

#[tokio::test]
async fn the_origin_names_file_context_and_server_but_no_password() {
    let (_folder, path) = written(&kubeconfig("https://user:pass@10.1.2.3:6443/path"));
    let cluster = connect(&options(&path)).await.unwrap();
    assert_eq!(
        cluster.origin().to_string(),
        format!("https://10.1.2.3:6443 (kubeconfig {}, context test)", path.display())
    );
}

#[tokio::test]
async fn unusable_kubeconfigs_are_told_without_their_content() {
    let (_folder, path) = written(&kubeconfig("https://10.1.2.3:6443").replace("clusters:", "clusters: ["));
    let message = refused(&options(&path)).await;
    assert!(message.contains("no valid YAML") && message.contains("config"), "{message}");
    assert!(!message.contains(TOKEN), "{message}");

    let (_folder, path) = written(&kubeconfig("https://10.1.2.3:6443"));
    let context = |name: &str| ConnectOptions { context: Some(name.into()), ..options(&path) };
    assert!(refused(&context("nope")).await.ends_with("it has no context named nope"));
    assert!(refused(&context("other")).await.ends_with("it has no cluster named missing"));

    let (_folder, path) = written(&kubeconfig("https://10.1.2.3:6443").replace("current-context: test\n", ""));
    assert!(refused(&options(&path)).await.ends_with("it has no current-context; name one with --context"));
    assert!(refused(&options(Path::new("/no/such/file"))).await.contains("cannot be read"));
}

#[tokio::test]
async fn the_output_of_a_failing_credential_command_is_not_told() {
    let exec = format!(
        "exec:\n      apiVersion: client.authentication.k8s.io/v1\n      interactiveMode: Never\n      command: sh\n      \
         args: [-c, 'echo {TOKEN}; exit 3']"
    );
    let text = kubeconfig("https://10.1.2.3:6443").replace(&format!("token: {TOKEN}"), &exec);
    let (_folder, path) = written(&text);
    let message = refused(&options(&path)).await;
    assert!(message.contains("credential command") && message.contains("exit status: 3"), "{message}");
    assert!(!message.contains(TOKEN), "{message}");
}

#[test]
fn loopback_and_no_proxy_go_direct() {
    for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "::1"] {
        assert!(goes_direct(host, ""), "{host}");
    }
    let no_proxy = "example.com, .internal,*.svc,10.0.0.0/8,fd00::/8,192.168.1.5,bad/99,/";
    for host in ["example.com", "api.EXAMPLE.com", "a.internal", "k.svc", "10.255.0.1", "fd00::1", "192.168.1.5"] {
        assert!(goes_direct(host, no_proxy), "{host}");
    }
    for host in ["notexample.com", "11.0.0.1", "fe80::1", "192.168.1.50", "com"] {
        assert!(!goes_direct(host, no_proxy), "{host}");
    }
    assert!(goes_direct("anything", "*"));
    assert!(is_in_network("1.2.3.4".parse().unwrap(), "0.0.0.0/0"));
}
