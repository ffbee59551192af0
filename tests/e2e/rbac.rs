//! The rights in `deploy/manifests` are enough for a whole life of an App, and none is too many: the
//! agent runs outside of the cluster with the token of its own service account.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kompox_tests::agent::{AgentCommand, Finished};
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::git::Repo;
use kompox_tests::kwok::FakeNode;
use kompox_tests::parts::{self, Part};
use kompox_tests::wait::{Look, until};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::world::{CLUSTER, LONG, NODE, fixtures};
use kompox_tests::kubectl::kubectl;

const SYSTEM: &str = "k4x-system";
const AGENT: &str = "kompox-agent";
/// The group of the agent's views.
const VIEWS: &str = "k8s.kompox.dev";

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_are_enough_and_each_is_needed() -> Result<()> {
    if parts::skip_without(&[Part::ControlPlane, Part::Kwok]) {
        return Ok(());
    }
    // Most of the time is waiting: two clusters share the work.
    let (some, others) = tokio::try_join!(unneeded(0), unneeded(1))?;
    let unneeded: Vec<String> = some.into_iter().chain(others).collect();
    ensure!(unneeded.is_empty(), "nothing fails without {}", unneeded.join("; "));
    Ok(())
}

/// Of every second right, beginning with one: those that nothing fails without.
async fn unneeded(first: usize) -> Result<Vec<String>> {
    let ground = Ground::prepare().await?;
    ground.lease_free().await?;
    match live(&ground, "whole").await? {
        Lived::ToTheEnd => {}
        Lived::Stopped(words) => bail!("the rights in deploy/ are not enough: {words}"),
    }
    let rights = ground.rights()?;
    let mut unneeded = Vec::new();
    let mut before = None;
    for (index, right) in rights.iter().enumerate().skip(first).step_by(2) {
        ground.grant_all_but(right, &rights, before.replace(right)).await?;
        ground.lease_free().await?;
        match live(&ground, &format!("life{index}")).await? {
            Lived::ToTheEnd => unneeded.push(right.to_string()),
            Lived::Stopped(words) => ensure!(right.is_named_in(&words), "without {right} the agent says: {words}"),
        }
    }
    Ok(unneeded)
}

#[test]
fn no_right_is_given_twice_or_reaches_further_than_its_words() -> Result<()> {
    let rights = rights_of("ClusterRole")?.into_iter().chain(rights_of("Role")?).collect::<Vec<_>>();
    ensure!(rights.len() > 50, "only {} rights were read", rights.len());
    let mut seen = BTreeSet::new();
    for right in &rights {
        ensure!(seen.insert(right.to_string()), "{right} stands there twice");
        for word in [&right.group, &right.resource, &right.verb] {
            ensure!(!word.contains('*'), "{right} is a wildcard");
        }
        ensure!(!["escalate", "bind", "impersonate"].contains(&right.verb.as_str()), "{right} gives any right");
        ensure!(right.verb != "deletecollection", "{right} can delete what was not looked at");
        let holds_all = right.resource == "namespaces" && right.verb.starts_with("delete");
        ensure!(!holds_all, "{right} can destroy everything of an App");
    }
    Ok(())
}

/// A cluster with `deploy/manifests` in it, and the agent beside it.
struct Ground {
    plane: ControlPlane,
    folder: Folder,
    /// Speaks as the service account.
    kubeconfig: PathBuf,
}

impl Ground {
    async fn prepare() -> Result<Self> {
        let nodes = vec![FakeNode::user(NODE).zone("1")];
        let plane = ControlPlane::start(Options { folder: None, nodes }).await?;
        let folder = Folder::temporary("rbac")?;
        // As an operator does it, on a cluster that has never seen the agent; the second time nothing changes.
        let manifests = repository().join("deploy/manifests");
        let apply = ["apply", "--validate=strict", "-f", &manifests.to_string_lossy()];
        let first = kubectl(plane.kubeconfig(), &apply)?;
        ensure!(first.lines().all(|line| line.ends_with(" created")), "{first}");
        let second = kubectl(plane.kubeconfig(), &apply)?;
        ensure!(second.lines().all(|line| line.ends_with(" unchanged")), "{second}");
        kubectl(plane.kubeconfig(), &["-n", SYSTEM, "rollout", "status", "deployment/kompox-agent", "--timeout=60s"])?;

        let kubeconfig = plane.service_account_kubeconfig(SYSTEM, AGENT).await?;
        let ground = Self { plane, folder, kubeconfig };
        let root = ground.disk_root();
        let made = ground.agent(&["disk", "init-root", &root.to_string_lossy(), "--node", NODE]).await?;
        ensure!(made.status.success(), "disk init-root: {}", made.stderr);
        Ok(ground)
    }

    fn disk_root(&self) -> PathBuf {
        self.folder.path().join("disks")
    }

    /// Runs the agent as the service account; as in its container, it has no home.
    async fn agent(&self, arguments: &[&str]) -> Result<Finished> {
        AgentCommand::new(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KOMPOX_CACHE_DIR", self.folder.path().join("cache"))
            .env("HOME", "/nonexistent")
            .run(LONG)
            .await
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        kubectl(self.plane.kubeconfig(), arguments)
    }

    /// Forgets who wrote last, so that the agent must make a Lease.
    async fn lease_free(&self) -> Result<()> {
        let leases = Api::<Lease>::namespaced(self.plane.client().await?, SYSTEM);
        match leases.delete(AGENT, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            deleted => deleted.map(drop).context("the Lease cannot be deleted"),
        }
    }

    /// Everything that the agent may do.
    fn rights(&self) -> Result<Vec<Right>> {
        Ok(rights_of("ClusterRole")?.into_iter().chain(rights_of("Role")?).collect())
    }

    /// Gives the agent all rights but one (the one before is back), and waits until the API server goes
    /// by it.
    async fn grant_all_but(&self, missing: &Right, rights: &[Right], back: Option<&Right>) -> Result<()> {
        let client = self.plane.client().await?;
        let rules = |kind: &str| -> Vec<PolicyRule> {
            rights.iter().filter(|right| right.kind == kind && *right != missing).map(Right::rule).collect()
        };
        let params = PatchParams::default();
        let patch = Patch::Merge(json!({"rules": rules("ClusterRole")}));
        Api::<ClusterRole>::all(client.clone()).patch(AGENT, &params, &patch).await?;
        let patch = Patch::Merge(json!({"rules": rules("Role")}));
        Api::<Role>::namespaced(client.clone(), SYSTEM).patch(AGENT, &params, &patch).await?;
        let reviews = Api::<SubjectAccessReview>::all(client);
        until("the rights to be as they were given", LONG, || async {
            for right in [Some(missing), back].into_iter().flatten() {
                let answer = reviews.create(&PostParams::default(), &right.review()).await?;
                let allowed = answer.status.is_some_and(|status| status.allowed);
                if allowed == (right == missing) {
                    return Ok(Look::NotYet(format!("{right}: {allowed}")));
                }
            }
            Ok(Look::Done(()))
        })
        .await
    }
}

/// How far a life came.
enum Lived {
    ToTheEnd,
    /// The agent said no; its words.
    Stopped(String),
}

/// An App from its first deploy to what it sheds later, each step by the agent alone.
async fn live(ground: &Ground, name: &str) -> Result<Lived> {
    let life = Life::begin(ground, name)?;
    let deployed = life.reconcile().await?;
    if !deployed.status.success() || is_refused(&deployed) {
        return Ok(Lived::stopped(&deployed));
    }
    let namespace = life.namespace()?;
    let get = |object: &str, path: &str| ground.kubectl(&["-n", &namespace, "get", object, "-o", path]);
    let deployment = format!("deployment/{name}-app");
    let available = get(&deployment, "jsonpath={.status.conditions[?(@.type==\"Available\")].status}")?;
    ensure!(available == "True", "{name}: Available is {available}");

    // A Secret that operators keep in the cluster rolls the Pod.
    let hash = "jsonpath={.spec.template.metadata.annotations.kompox\\.dev/compose-content-hash}";
    let before = get(&deployment, hash)?;
    let secret = format!("{name}-app-gitea-override");
    ground.kubectl(&["-n", &namespace, "create", "secret", "generic", &secret, "--from-literal=KEY=value"])?;
    // A person edits an object that the agent may not just bind, and before that lets it bind something else.
    life.bind_another_role(&namespace)?;
    let access = format!("{name}-access");
    let label = "app.kubernetes.io/name";
    ground.kubectl(&["-n", &namespace, "label", "--overwrite", "rolebinding", &access, &format!("{label}=mine")])?;
    let rolled = life.reconcile().await?;
    if !rolled.status.success() || is_refused(&rolled) {
        return Ok(Lived::stopped(&rolled));
    }
    ensure!(get(&deployment, hash)? != before, "{name}: the Secret {secret} has not rolled the Pod");
    let labels = get(&format!("rolebinding/{access}"), "jsonpath={.metadata.labels}")?;
    ensure!(!labels.contains("mine"), "{name}: a person's label stays: {labels}");
    let role = get(&format!("rolebinding/{access}"), "jsonpath={.roleRef.name}")?;
    ensure!(role == access, "{name}: the binding is of the Role {role}");

    // A person edits, and deletes what only others with more rights could bind; the next commit brings a new image, and no longer asks for a host, a service,
    // its Secret and a configuration file.
    ground.kubectl(&["-n", &namespace, "set", "env", &deployment, "-c", "gitea", "USER_UID=0"])?;
    ground.kubectl(&["-n", &namespace, "delete", "role,rolebinding", &access])?;
    life.shed()?;
    let changed = life.reconcile().await?;
    if !changed.status.success() || is_refused(&changed) {
        return Ok(Lived::stopped(&changed));
    }
    let env = get(&deployment, "jsonpath={.spec.template.spec.containers[0].env[?(@.name==\"USER_UID\")].value}")?;
    ensure!(env == "1000", "{name}: a person's edit stays: {env}");
    let image = get(&deployment, "jsonpath={.spec.template.spec.containers[*].image}")?;
    ensure!(image == "docker.gitea.com/gitea:1.24.7", "{name}: {image}");
    ground.kubectl(&["-n", &namespace, "get", &format!("role/{access}"), &format!("rolebinding/{access}")])?;
    let left = ground.kubectl(&["-n", &namespace, "get", "ingresses,services,configmaps,secrets", "-o", "name"])?;
    for gone in [format!("{name}-app-custom"), format!("{name}-app--cfg-motd"), "postgres".to_owned()] {
        ensure!(!left.contains(&gone), "{name}: {gone} is still there: {left}");
    }

    // A person deletes the claim: its volume is given back to the next one, with the same disk.
    ground.kubectl(&["-n", &namespace, "scale", &deployment, "--replicas=0"])?;
    let volume = get("pvc", "jsonpath={.items[0].spec.volumeName}")?;
    ground.kubectl(&["-n", &namespace, "delete", "pvc", "--all", "--timeout=60s"])?;
    ground.kubectl(&["wait", "--for=jsonpath={.status.phase}=Released", "--timeout=60s", &format!("pv/{volume}")])?;
    let given = life.reconcile().await?;
    if !given.status.success() || is_refused(&given) {
        return Ok(Lived::stopped(&given));
    }
    let claim = get("pvc", "jsonpath={.items[*].status.phase} {.items[*].spec.volumeName}")?;
    ensure!(claim == format!("Bound {volume}"), "{name}: the claim is {claim}");

    // What is shown, and what is shown no more.
    let shown = ground.kubectl(&["get", "kompoxapps,kompoxsources,kompoxdisks", "-A", "-o", "name"])?;
    for view in
        [format!("kompoxapp.{VIEWS}/{name}"), format!("kompoxsource.{VIEWS}/{name}"), format!("kompoxdisk.{VIEWS}/")]
    {
        ensure!(shown.contains(&view), "{name}: {view} is not in {shown}");
    }
    let told =
        ground.kubectl(&["-n", &namespace, "get", "events", "--field-selector", "reason=Applied", "-o", "name"])?;
    ensure!(!told.is_empty(), "{name}: no Event says that it was applied");
    ground.kubectl(&["apply", "-f", &life.strays(&namespace)?.to_string_lossy()])?;
    let swept = life.reconcile().await?;
    if !swept.status.success() || is_refused(&swept) {
        return Ok(Lived::stopped(&swept));
    }
    let left = ground.kubectl(&["get", "kompoxapps,kompoxdisks,kompoxsources", "-A", "-o", "name"])?;
    ensure!(!left.contains("stray"), "{name}: {left}");
    let answer = get("kompoxsnapshot/stray", "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}")?;
    ensure!(answer == "DiskNotFound", "{name}: the snapshot is answered with `{answer}`");

    let status = ground.agent(&["status", name]).await?;
    if !status.status.success() {
        return Ok(Lived::stopped(&status));
    }
    for words in [format!("source {name}  "), "  success  ".to_owned(), format!("/{name}  healthy")] {
        ensure!(status.stdout.contains(&words), "{name}: `{words}` is not in the status: {}", status.stdout);
    }
    // The App leaves Git, and a person lets it go: nothing is left of it but its Namespace and its disk.
    life.repo.commit_removal(&["kompoxops.yml"], "Remove")?;
    life.repo.push("main")?;
    let held = life.reconcile().await?;
    if is_refused(&held) {
        return Ok(Lived::stopped(&held));
    }
    life.accept_all().await?;
    let removed = life.reconcile().await?;
    if !removed.status.success() || is_refused(&removed) {
        return Ok(Lived::stopped(&removed));
    }
    let kinds = "deployments,services,ingresses,networkpolicies,roles,rolebindings,pvc,secrets,configmaps";
    let managed = "app.kubernetes.io/managed-by in (kompox,kompox-agent)";
    let left = ground.kubectl(&["-n", &namespace, "get", kinds, "-l", managed, "-o", "name"])?;
    ensure!(left.is_empty(), "{name}: {left} is left");
    let left = ground.kubectl(&["get", "pv", &volume, "--ignore-not-found", "-o", "name"])?;
    ensure!(left.is_empty(), "{name}: {left} is left");

    let lease = ground.kubectl(&["-n", SYSTEM, "get", "lease", AGENT, "-o", "jsonpath={.spec.holderIdentity}"])?;
    ensure!(lease.is_empty(), "{name}: the Lease is still held by {lease}");
    Ok(Lived::ToTheEnd)
}

impl Lived {
    fn stopped(finished: &Finished) -> Self {
        Self::Stopped(format!("{}{}", finished.stdout, finished.stderr))
    }
}

/// Whether the agent lacked a right for something that nothing else depends on.
fn is_refused(finished: &Finished) -> bool {
    finished.stderr.contains("apiGroups: [")
}

/// One App with its repository, under a source of its own.
struct Life<'a> {
    ground: &'a Ground,
    name: &'a str,
    repo: Repo,
    config: PathBuf,
}

impl<'a> Life<'a> {
    /// The fixture `gitea` under another name, with a configuration file.
    fn begin(ground: &'a Ground, name: &'a str) -> Result<Self> {
        let repo = Repo::init_bare(&ground.folder.path().join(format!("{name}.git")))?;
        let local = format!("driver: local\n  settings:\n    LOCAL_ROOT: {}", ground.disk_root().display());
        let mut files = vec![("motd.txt".to_owned(), "Welcome\n".to_owned())];
        for file in ["kompoxops.yml", "compose.yml", "compose-gitea.env", "compose-postgres.env"] {
            let text = std::fs::read_to_string(fixtures().join("gitea").join(file))?;
            let text = match file {
                "kompoxops.yml" => replace(
                    &text,
                    &[
                        ("driver: aks\n  settings:", &local),
                        ("  name: app1", &format!("  name: {name}")),
                        ("[gitea.custom.exp.kompox.dev]", &format!("[{name}.example.com]")),
                    ],
                )?,
                "compose.yml" => {
                    let text = replace(&text, &[("    ports:\n", "    configs: [motd]\n    ports:\n")])?;
                    format!("{text}configs:\n  motd:\n    file: ./motd.txt\n")
                }
                _ => text,
            };
            files.push((file.to_owned(), text));
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        repo.publish(&files, "Deploy")?;
        let config = ground.folder.write(
            &format!("{name}.yml"),
            &format!(
                "cluster: {CLUSTER}\nsources:\n  - name: {name}\n    url: {}\n    ref: {{branch: main}}\n",
                repo.remote()
            ),
        )?;
        Ok(Self { ground, name, repo, config })
    }

    async fn reconcile(&self) -> Result<Finished> {
        self.ground.agent(&["run", "--once", "--config", &self.config.to_string_lossy()]).await
    }

    /// Puts a binding of another Role in the place of the App's.
    fn bind_another_role(&self, namespace: &str) -> Result<()> {
        let name = format!("rolebinding/{}-access", self.name);
        let live = self.ground.kubectl(&["-n", namespace, "get", &name, "-o", "json"])?;
        let mut body: Value = serde_json::from_str(&live)?;
        body["roleRef"]["name"] = json!("another");
        let metadata = body["metadata"].as_object_mut().context("no metadata")?;
        metadata.retain(|key, _| ["name", "namespace", "labels", "annotations"].contains(&key.as_str()));
        let file = self.ground.folder.write("binding.json", &body.to_string())?;
        self.ground.kubectl(&["replace", "--force", "-f", &file.to_string_lossy()]).map(drop)
    }

    /// A commit that lets everything go that is held.
    async fn accept_all(&self) -> Result<()> {
        let listed = self.ground.agent(&["hold", "list", "-o", "json"]).await?;
        let listed: Value = serde_json::from_str(&listed.stdout).context("hold list")?;
        let holds = listed["holds"].as_array().context("no array of holds")?;
        let mine = holds.iter().filter(|hold| hold["sources"] == json!([self.name]));
        let words: Vec<String> =
            mine.filter_map(|hold| Some(format!("Kompox-Accept: {}", hold["digest"].as_str()?))).collect();
        ensure!(!words.is_empty(), "{}: nothing is held: {listed}", self.name);
        self.repo.publish(&[("README", "gone")], &format!("Let it go\n\n{}", words.join("\n"))).map(drop)
    }

    /// Views of an App, a disk and a source that are not there, and a snapshot that is asked for.
    fn strays(&self, namespace: &str) -> Result<PathBuf> {
        let path = ["get", "namespace", namespace, "-o", "jsonpath={.metadata.labels.kompox\\.dev/app-instance-hash}"];
        let instance = self.ground.kubectl(&path)?;
        let view = |kind: &str, namespace: &str, source: &str, spec: Value| {
            let labels = json!({"kompox.dev/source": source, "kompox.dev/app-instance-hash": instance});
            let metadata = json!({"name": "stray", "namespace": namespace, "labels": labels});
            json!({"apiVersion": format!("{VIEWS}/v1alpha1"), "kind": kind, "metadata": metadata, "spec": spec})
        };
        let app = view("KompoxApp", namespace, self.name, json!({"id": "gone", "source": self.name}));
        let spec = json!({"app": self.name, "volume": "gone", "disk": "gone"});
        let disk = view("KompoxDisk", namespace, self.name, spec);
        let source = view("KompoxSource", SYSTEM, "stray", json!({"url": "gone", "ref": "gone", "path": ""}));
        // What a person asks for.
        let snapshot = view("KompoxSnapshot", namespace, self.name, json!({"diskRef": {"name": "gone"}}));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [app, disk, source, snapshot]});
        self.ground.folder.write("strays.json", &list.to_string())
    }

    fn namespace(&self) -> Result<String> {
        let label = format!("app.kubernetes.io/name={}", self.name);
        let names =
            self.ground.kubectl(&["get", "namespaces", "-l", &label, "-o", "jsonpath={.items[*].metadata.name}"])?;
        ensure!(!names.is_empty() && !names.contains(' '), "{}: the namespaces are `{names}`", self.name);
        Ok(names)
    }

    /// A commit that changes an image and no longer asks for several objects.
    fn shed(&self) -> Result<()> {
        let read = |file: &str| std::fs::read_to_string(self.repo.work_tree().join(file));
        let host = format!("[{}.example.com]", self.name);
        let entry = replace(&read("kompoxops.yml")?, &[(&host, "[]")])?;
        let compose = replace(
            &read("compose.yml")?,
            &[
                ("gitea:1.24.6", "gitea:1.24.7"),
                ("    configs: [motd]\n", ""),
                ("configs:\n  motd:\n    file: ./motd.txt\n", ""),
            ],
        )?;
        let (compose, _) = compose.split_once("  postgres:").context("the fixture has no service postgres any more")?;
        self.repo.publish(&[("kompoxops.yml", &entry), ("compose.yml", compose)], "Shed").map(drop)
    }
}

/// Replaces texts that must be there.
fn replace(text: &str, changes: &[(&str, &str)]) -> Result<String> {
    changes.iter().try_fold(text.to_owned(), |text, (old, new)| {
        ensure!(text.contains(old), "the fixture no longer has `{old}`");
        Ok(text.replace(old, new))
    })
}

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Right {
    /// `ClusterRole` or `Role`.
    kind: &'static str,
    group: String,
    resource: String,
    verb: String,
    /// The only object that it is for.
    name: Option<String>,
}

impl std::fmt::Display for Right {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {} in \"{}\" ({})", self.verb, self.resource, self.group, self.kind)
    }
}

impl Right {
    fn rule(&self) -> PolicyRule {
        PolicyRule {
            api_groups: Some(vec![self.group.clone()]),
            resources: Some(vec![self.resource.clone()]),
            verbs: vec![self.verb.clone()],
            resource_names: self.name.clone().map(|name| vec![name]),
            ..PolicyRule::default()
        }
    }

    /// The question whether the agent has it.
    fn review(&self) -> SubjectAccessReview {
        let (resource, subresource) = match self.resource.split_once('/') {
            Some((resource, subresource)) => (resource.to_owned(), Some(subresource.to_owned())),
            None => (self.resource.clone(), None),
        };
        let attributes = ResourceAttributes {
            group: Some(self.group.clone()),
            resource: Some(resource),
            subresource,
            verb: Some(self.verb.clone()),
            name: self.name.clone(),
            namespace: (self.kind == "Role").then(|| SYSTEM.to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{SYSTEM}:{AGENT}")),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        SubjectAccessReview { spec, ..SubjectAccessReview::default() }
    }

    /// Whether words of the agent say that it is this right which is missing: as a rule to add, or as one
    /// that it cannot hand on.
    fn is_named_in(&self, words: &str) -> bool {
        let Self { group, resource, verb, .. } = self;
        let rule = format!("apiGroups: [\"{group}\"], resources: [{resource}], verbs: [{verb}]");
        let granted = format!("APIGroups:[\"{group}\"], Resources:[\"{resource}\"], Verbs:[\"{verb}\"]");
        words.contains(&rule) || words.contains(&granted)
    }
}

/// Every right in the rules of a kind of role in `deploy/manifests`.
fn rights_of(kind: &'static str) -> Result<Vec<Right>> {
    let path = repository().join("deploy/manifests/10-rbac.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut rights = Vec::new();
    for document in text.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document).context("10-rbac.yaml cannot be read")?;
        if object["kind"] != kind {
            continue;
        }
        let rules: Vec<PolicyRule> = serde_json::from_value(object["rules"].clone())?;
        for rule in rules {
            let names: Vec<Option<String>> = match rule.resource_names {
                Some(names) => names.into_iter().map(Some).collect(),
                None => vec![None],
            };
            for group in rule.api_groups.unwrap_or_default() {
                for resource in rule.resources.clone().unwrap_or_default() {
                    for (verb, name) in rule.verbs.iter().flat_map(|verb| names.iter().map(move |name| (verb, name))) {
                        let (group, verb, name) = (group.clone(), verb.clone(), name.clone());
                        rights.push(Right { kind, group, resource: resource.clone(), verb, name });
                    }
                }
            }
        }
    }
    Ok(rights)
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
