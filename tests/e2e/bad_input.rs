//! Bad input of every kind ends `render` with exit code 1, an error at its place, and nothing on standard output. The
//! table follows the description of KOM, kompoxops.yml and Compose sentence by sentence.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use kompox_tests::agent::AgentCommand;
use kompox_tests::folder::Folder;

const LONG: Duration = Duration::from_secs(120);
/// Commands that run at once.
const AT_ONCE: usize = 4;

const WORKSPACE: &str = "apiVersion: ops.kompox.dev/v1alpha1
kind: Workspace
metadata: {name: w, annotations: {ops.kompox.dev/id: /ws/w}}
spec: {}
---
apiVersion: ops.kompox.dev/v1alpha1
kind: Provider
metadata: {name: p, annotations: {ops.kompox.dev/id: /ws/w/prv/p}}
spec: {driver: local}
---
apiVersion: ops.kompox.dev/v1alpha1
kind: Cluster
metadata: {name: c, annotations: {ops.kompox.dev/id: /ws/w/prv/p/cls/c}}
spec: {ingress: {domain: apps.example.com}}
---
";
/// Lines of [`WORKSPACE`].
const ABOVE: usize = 15;

/// Files of a repository, and the error that they make.
struct Case {
    /// What is wrong.
    name: &'static str,
    files: Vec<(&'static str, String)>,
    /// Where the error stands: file, line and column.
    at: String,
    /// What it says.
    says: &'static str,
}

fn case(name: &'static str, files: Vec<(&'static str, String)>, at: impl Into<String>, says: &'static str) -> Case {
    Case { name, files, at: at.into(), says }
}

/// An App of one file with these lines in it, and a Compose file.
fn app(name: &'static str, lines: &str, compose: &str, at: &str, says: &'static str) -> Case {
    let entry = format!(
        "version: v1\nworkspace: {{name: w}}\nprovider: {{name: p, driver: local}}\ncluster: {{name: c, ingress: {{domain: apps.example.com}}}}\napp:\n  name: shop\n  compose: file:compose.yml\n{lines}"
    );
    case(name, vec![("kompoxops.yml", entry), ("compose.yml", compose.to_owned())], at, says)
}

const VOLUMES: &str = "  volumes: [{name: default, size: 1Gi}, {name: db, size: 1Gi}]\n";
const COMPOSE: &str = "services: {web: {image: i}}\n";
const PUBLISHED: &str = "services: {web: {image: i, ports: [\"8080:80\"]}}\n";

/// A service `web` with one more line, the third of its file, at column 5.
fn service(name: &'static str, line: &str, at: &str, says: &'static str) -> Case {
    app(name, VOLUMES, &format!("services:\n  web: {{image: i,\n    {line}}}\n"), &format!("compose.yml:3:{at}"), says)
}

/// A service with files beside its Compose file.
fn beside(mut case: Case, files: &[(&'static str, &str)]) -> Case {
    case.files.extend(files.iter().map(|(path, text)| (*path, (*text).to_owned())));
    case
}

/// A document behind the parents that an App needs. `line` counts from the document's first.
fn kom(name: &'static str, document: &str, line: usize, column: usize, says: &'static str) -> Case {
    let text = format!("{WORKSPACE}{document}");
    case(name, vec![("kompoxapp.yml", text)], format!("kompoxapp.yml:{}:{column}", ABOVE + line), says)
}

fn document(kind: &str, name: &str, id: &str, spec: &str) -> String {
    format!(
        "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, annotations: {{ops.kompox.dev/id: {id}}}}}\nspec: {spec}\n"
    )
}

const APP: &str = "/ws/w/prv/p/cls/c/app/shop";
const INLINE: &str = "{compose: {services: {web: {image: i}}}}";

/// Entries and documents.
fn documents() -> Vec<Case> {
    let app_document = document("App", "shop", APP, INLINE);
    let defaults =
        |spec: &str| format!("apiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {spec}\n---\n{app_document}");
    let single = |name: &str, rest: &str| {
        format!(
            "version: v1\nworkspace: {{name: w}}\nprovider: {{name: p, driver: local{rest}}}\ncluster: {{name: c}}\napp: {{name: {name}, compose: {{services: {{web: {{image: i}}}}}}}}\n"
        )
    };
    vec![
        case(
            "both entry files in a folder",
            vec![("kompoxops.yml", single("shop", "")), ("kompoxapp.yml", app_document.clone())],
            "kompoxops.yml:1:1",
            "kompoxapp.yml",
        ),
        case(
            "differing parents",
            vec![("a/kompoxops.yml", single("shop", "")), ("b/kompoxops.yml", single("stall", ", settings: {A: b}"))],
            "b/kompoxops.yml:3:18",
            "says something else at a/kompoxops.yml",
        ),
        case(
            "one App in two entries",
            vec![("a/kompoxops.yml", single("shop", "")), ("b/kompoxops.yml", single("shop", ""))],
            "b/kompoxops.yml:5:13",
            "shop",
        ),
        case(
            "another version",
            vec![("kompoxops.yml", single("shop", "").replace("v1", "v2"))],
            "kompoxops.yml:1:10",
            "version",
        ),
        kom(
            "no resource ID",
            "apiVersion: ops.kompox.dev/v1alpha1\nkind: App\nmetadata: {name: shop}\nspec: {}\n",
            3,
            18,
            "id",
        ),
        kom("parents in another order", &document("App", "shop", "/prv/p/ws/w/cls/c/app/shop", INLINE), 3, 57, "id"),
        kom(
            "a name that is not the ID's",
            &document("App", "shop", "/ws/w/prv/p/cls/c/app/stall", INLINE),
            3,
            18,
            "stall",
        ),
        kom("an ID of another kind", &document("App", "c", "/ws/w/prv/p/cls/c", INLINE), 3, 54, "App"),
        kom("a name that is no label", &document("App", "Shop", "/ws/w/prv/p/cls/c/app/Shop", INLINE), 3, 57, "Shop"),
        kom("an unknown kind", &document("Ap", "shop", APP, INLINE), 2, 7, "did you mean `App`?"),
        kom(
            "a parent that is missing",
            &document("App", "shop", "/ws/w/prv/p/cls/d/app/shop", INLINE),
            3,
            18,
            "/ws/w/prv/p/cls/d",
        ),
        kom("one ID twice", &format!("{app_document}---\n{app_document}"), 8, 57, APP),
        kom("another apiVersion", &app_document.replace("v1alpha1", "v1"), 1, 13, "apiVersion"),
        kom(
            "two Defaults",
            &format!("{}---\n{}", defaults("{}"), "apiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {}\n"),
            11,
            7,
            "Defaults",
        ),
        kom(
            "a komPath that leaves the repository",
            &defaults("{komPath: [../../x.yml]}"),
            3,
            18,
            "leaves the repository",
        ),
        kom("a komPath that is a URL", &defaults("{komPath: [\"https://example.com/x.yml\"]}"), 3, 18, "URL"),
        kom("a komPath that is not there", &defaults("{komPath: [none.yml]}"), 3, 18, "none.yml"),
        kom("a komPath that is no YAML", &defaults("{komPath: [x.json]}"), 3, 18, "x.json"),
        kom("a default App that is not there", &defaults("{appId: /ws/w/prv/p/cls/c/app/none}"), 3, 15, "none"),
        case(
            "a local file of an App that komPath brings",
            vec![
                (
                    "kompoxapp.yml",
                    format!(
                        "apiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {{komPath: [more.yml]}}\n---\n{WORKSPACE}"
                    ),
                ),
                ("more.yml", document("App", "shop", APP, "{compose: \"file:compose.yml\"}")),
                ("compose.yml", COMPOSE.to_owned()),
            ],
            "more.yml:4:17",
            "komPath",
        ),
        kom(
            "an absolute Compose file",
            &document("App", "shop", APP, "{compose: \"file:/etc/compose.yml\"}"),
            4,
            17,
            "absolute",
        ),
        kom(
            "a Compose file above its folder",
            &document("App", "shop", APP, "{compose: \"file:../compose.yml\"}"),
            4,
            17,
            "`..`",
        ),
        kom(
            "a Compose file elsewhere",
            &document("App", "shop", APP, "{compose: \"file:https://x/c.yml\"}"),
            4,
            17,
            "URL",
        ),
        kom(
            "a reserved key",
            &document("Box", "b", "/ws/w/prv/p/cls/c/app/shop/box/b", "{component: x, image: i, ingress: {}}"),
            4,
            32,
            "ingress",
        ),
    ]
}

/// Fields of an App.
fn fields() -> Vec<Case> {
    let field = |name, lines: &str, at: &str, says| {
        app(name, &format!("  {lines}\n"), PUBLISHED, &format!("kompoxops.yml:8:{at}"), says)
    };
    vec![
        Case {
            at: "kompoxops.yml:3:29".to_owned(),
            ..field("a driver that there is not", "", "", "there is no driver `loca`")
        }
        .with_driver("loca"),
        Case {
            at: "kompoxops.yml:3:29".to_owned(),
            ..field("a driver without its settings", "volumes: [{name: a, size: 1Gi}]", "", "CSI_STORAGE_CLASS")
        }
        .with_driver("csi"),
        field("pool and pools", "deployment: {pool: a, pools: [b]}", "32", "pools"),
        field("zone and zones", "deployment: {zone: a, zones: [b]}", "32", "zones"),
        field("selectors", "deployment: {selectors: {a: b}}", "16", "selectors"),
        field("a long volume name", "volumes: [{name: abcdefghijklmnopq, size: 1Gi}]", "20", "16"),
        field("a volume name that is no label", "volumes: [{name: A_b, size: 1Gi}]", "20", "A_b"),
        field("a size that is none", "volumes: [{name: a, size: plenty}]", "29", "plenty"),
        field("an unknown volume type", "volumes: [{name: a, size: 1Gi, type: dsk}]", "40", "did you mean `disk`?"),
        field("an unknown field", "ingres: {}", "3", "did you mean `ingress`?"),
        field("an unknown field inside", "ingress: {rule: []}", "13", "did you mean `rules`?"),
        field(
            "a protocol",
            "networkPolicy: {ingressRules: [{from: [{namespaceSelector: {}}], ports: [{protocol: ICMP, port: 1}]}]}",
            "87",
            "ICMP",
        ),
        field("a port that nobody publishes", "ingress: {rules: [{name: a, port: 81}]}", "37", "81"),
        field(
            "two rules of one port",
            "ingress: {rules: [{name: a, port: 8080}, {name: b, port: 8080}]}",
            "60",
            "8080",
        ),
        field("a rule's name", "ingress: {rules: [{name: 1a, port: 8080}]}", "28", "1a"),
        field(
            "a host below the cluster's domain",
            "ingress: {rules: [{name: a, port: 8080, hosts: [x.apps.example.com]}]}",
            "51",
            "apps.example.com",
        ),
        app(
            "one host in two rules",
            "  ingress: {rules: [{name: a, port: 80, hosts: [x.org]}, {name: b, port: 81, hosts: [x.org]}]}\n",
            "services: {web: {image: i, ports: [\"80:80\", \"81:81\"]}}\n",
            "kompoxops.yml:8:86",
            "x.org",
        ),
        app(
            "a container port of two services",
            "",
            "services: {a: {image: i, ports: [\"80:80\"]}, b: {image: i, ports: [\"81:80\"]}}\n",
            "compose.yml:1:67",
            "container port 80",
        ),
        case(
            "a long App name",
            vec![(
                "kompoxops.yml",
                format!(
                    "version: v1\nworkspace: {{name: w}}\nprovider: {{name: p, driver: local}}\ncluster: {{name: c}}\napp: {{name: {}, compose: {{services: {{web: {{image: i}}}}}}}}\n",
                    "a".repeat(46)
                ),
            )],
            "kompoxops.yml:5:13",
            "leaves 45 characters",
        ),
        app("a protection", "", COMPOSE, "kompoxops.yml:4:47", "readOnly").with_cluster(),
    ]
}

/// The Compose file.
fn compose() -> Vec<Case> {
    let file = |name, text: &str, at: &str, says| app(name, VOLUMES, text, at, says);
    let big = "x".repeat((1 << 20) + 1);
    vec![
        service("a service like the App's own", "depends_on: [shop-app]", "18", "shop-app"),
        file("a service name of the App's", "services: {shop-app: {image: i}}\n", "compose.yml:1:12", "shop-app"),
        file("a service name that is no label", "services: {my_db: {image: i}}\n", "compose.yml:1:12", "my-db"),
        service("a required variable", "user: \"${WHO:?say who}\"", "12", "say who"),
        service("a broken variable", "user: \"${WHO\"", "12", "not closed"),
        service(
            "extends outside of the repository",
            "extends: {file: ../../x.yml, service: a}",
            "21",
            "leaves the repository",
        ),
        service("extends in a circle", "extends: web", "14", "web → web"),
        file(
            "include outside of the repository",
            "include: [../../x.yml]\nservices: {web: {image: i}}\n",
            "compose.yml:1:11",
            "leaves the repository",
        ),
        service("a tag", "user: !reset null", "11", "!reset"),
        file("an alias bomb", &bomb(), "compose.yml:5:10", "aliases"),
        service("an environment file above the folder", "env_file: ../a.env", "15", "`..`"),
        service("an environment file that is not there", "env_file: a.env", "15", "a.env"),
        beside(
            service("a byte order mark", "env_file: a.env", "15", "byte order mark").at("a.env:1:1"),
            &[("a.env", "\u{feff}A=b\n")],
        ),
        beside(
            service("a control character", "env_file: a.env", "15", "control character").at("a.env:1:4"),
            &[("a.env", "A=b\u{7}\n")],
        ),
        beside(service("a line without `=`", "env_file: a.env", "15", "`=`").at("a.env:2:1"), &[("a.env", "A=b\nB\n")]),
        beside(
            service("a name of a variable", "env_file: a.env", "15", "variable name").at("a.env:1:1"),
            &[("a.env", "1A=b\n")],
        ),
        beside(
            service("an open quote", "env_file: a.env", "15", "not closed").at("a.env:1:5"),
            &[("a.env", "A=\"b\n")],
        ),
        beside(
            service("environment that is not flat", "env_file: a.yml", "15", "a mapping").at("a.yml:1:4"),
            &[("a.yml", "A: {b: c}\n")],
        ),
        beside(
            service("environment files that are too large", "env_file: a.env", "15", "1000000"),
            &[("a.env", &format!("A={big}\n"))],
        ),
        service("a port without a host's", "ports: [\"80\"]", "13", "no host port"),
        service("a port of UDP", "ports: [\"53:53/udp\"]", "13", "no TCP port"),
        service("a range of ports", "ports: [\"80-81:80-81\"]", "13", "range"),
        service("an absolute bind", "volumes: [\"/etc:/etc\"]", "15", "path of the host"),
        service("an unknown volume", "volumes: [\"dbb:/x\"]", "15", "did you mean `db`?"),
        service("a volume above its root", "volumes: [\"db/../x:/x\"]", "15", "`..`"),
        beside(service("a bind of a file", "volumes: [\"./f.txt:/x\"]", "15", "configs"), &[("f.txt", "x")]),
        service("a config that is not there", "configs: [c]", "15", "no config `c`"),
        beside(
            file(
                "a config with a NUL",
                "services: {web: {image: i, configs: [c]}}\nconfigs: {c: {file: f}}\n",
                "compose.yml:2:21",
                "NUL",
            ),
            &[("f", "a\0b")],
        ),
        beside(
            file(
                "a config that is too large",
                "services: {web: {image: i, configs: [c]}}\nconfigs: {c: {file: f}}\n",
                "compose.yml:2:21",
                "cannot read `f`",
            ),
            &[("f", &big)],
        ),
        file(
            "two files at one path",
            "services: {web: {image: i, configs: [{source: a, target: /x}, {source: b, target: /x}]}}\nconfigs: {a: {content: a}, b: {content: b}}\n",
            "compose.yml:1:63",
            "`/x` is mounted already",
        ),
        service(
            "requests beyond limits",
            "x-kompox: {resources: {memory: 2Gi}, limits: {memory: 1Gi}}",
            "36",
            "more than its limit",
        ),
        service("no quantity", "x-kompox: {limits: {cpu: much}}", "30", "cpu"),
        service("a health check without a command", "healthcheck: {test: [curl]}", "25", "CMD"),
        service("a duration", "healthcheck: {test: a, interval: soon}", "38", "soon"),
        file(
            "a circle",
            "services: {a: {image: i, depends_on: [b]}, b: {image: i, depends_on: [a]}}\n",
            "compose.yml:1:39",
            "`a` → `b` → `a`",
        ),
        file(
            "health that nothing tells",
            "services: {a: {image: i, depends_on: {b: {condition: service_healthy}}}, b: {image: i}}\n",
            "compose.yml:1:39",
            "health check",
        ),
        file(
            "one port of two services",
            "services: {a: {image: i, expose: [80]}, b: {image: i, expose: [80]}}\n",
            "compose.yml:1:64",
            "both listen on port 80",
        ),
        file(
            "a key of the Pod that two services set",
            "services: {a: {image: i, dns: 1.1.1.1}, b: {image: i, dns: 1.1.1.2}}\n",
            "compose.yml:1:60",
            "`dns` of `b` contradicts that of `a`",
        ),
        file("build without an image", "services: {a: {build: .}}\n", "compose.yml:1:16", "image"),
        service("the host's network", "network_mode: host", "19", "network of the host"),
        service("replicas", "deploy: {replicas: 2}", "24", "must be 1"),
        service("scale", "scale: 3", "12", "must be 1"),
        service("a key that is not known", "comand: x", "5", "did you mean `command`?"),
        service(
            "a key that is not known further down",
            "deploy: {resources: {limit: {}}}",
            "26",
            "did you mean `limits`?",
        ),
        service("a value of another type", "ports: 80", "12", "must be a list"),
        service("a privileged container", "privileged: true", "17", "baseline"),
        service("a capability", "cap_add: [NET_ADMIN]", "15", "NET_ADMIN"),
        service("a user by name", "user: www-data", "11", "no number"),
        service("a key that cannot be kept", "ipc: host", "5", "cannot be kept"),
        file("no service", "services: {}\n", "compose.yml:1:11", "no service"),
        file("a key twice", "services: {web: {image: i, image: j}}\n", "compose.yml:1:28", "second time"),
        file("broken YAML", "services: [\n", "compose.yml:1:11", "YAML"),
        file("two documents", "services: {web: {image: i}}\n---\nservices: {}\n", "compose.yml:3:1", "one document"),
        file("nothing", "", "kompoxops.yml:7:12", "empty"),
    ]
}

/// Nine levels of nine aliases each.
fn bomb() -> String {
    let mut text = "x-0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        text += &format!("x-{level}: &a{level} [{aliases}]\n");
    }
    text + "services: {web: {image: i}}\n"
}

impl Case {
    fn at(mut self, at: &str) -> Self {
        at.clone_into(&mut self.at);
        self
    }

    /// Another driver than `local`.
    fn with_driver(mut self, driver: &str) -> Self {
        for (_, text) in &mut self.files {
            *text = text.replace("driver: local", &format!("driver: {driver}"));
        }
        self
    }

    /// A protection level that there is not.
    fn with_cluster(mut self) -> Self {
        for (_, text) in &mut self.files {
            *text = text.replace("cluster: {name: c, ", "cluster: {name: c, protection: {provisioning: readonly}, ");
        }
        self
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_of_every_kind_is_refused_at_its_place() -> Result<()> {
    let cases: Vec<Case> = [documents(), fields(), compose()].into_iter().flatten().collect();
    let tried = futures::stream::iter(&cases).map(|case| async move { (case.name, try_out(case).await) });
    let outcomes: Vec<_> = tried.buffered(AT_ONCE).collect().await;
    let wrong: Vec<String> =
        outcomes.into_iter().filter_map(|(name, outcome)| Some(format!("{name}: {:#}", outcome.err()?))).collect();
    ensure!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    Ok(())
}

async fn try_out(case: &Case) -> Result<()> {
    let folder = Folder::temporary("bad-input")?;
    for (path, text) in &case.files {
        let target = folder.path().join(path);
        std::fs::create_dir_all(target.parent().unwrap_or(Path::new("")))?;
        std::fs::write(&target, text).with_context(|| format!("cannot write {path}"))?;
    }
    let checked = AgentCommand::new(["validate"]).current_dir(folder.path()).run(LONG).await?;
    ensure!(checked.code() == Some(1), "`validate` finds it sound: {}", checked.stderr);
    let said = AgentCommand::new(["render"]).current_dir(folder.path()).run(LONG).await?;
    let shown: String = said
        .stderr
        .lines()
        .filter(|line| line.contains("error") || line.contains("-->"))
        .collect::<Vec<_>>()
        .join(" | ");
    ensure!(said.code() == Some(1), "exit code {:?}: {shown}", said.code());
    ensure!(said.stdout.is_empty(), "it renders {}", said.stdout);
    ensure!(said.stderr.contains(&format!("--> {}\n", case.at)), "no error at {}: {shown}", case.at);
    ensure!(said.stderr.contains(case.says), "it does not say {}: {}", case.says, said.stderr);
    Ok(())
}
