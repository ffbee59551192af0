//! `validate`, `render` and `disk init-root`: no cluster.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::{AgentCommand, Finished};
use kompox_tests::folder::Folder;
use serde_json::Value;

use super::bench::LONG;
use crate::{expected, world};

const DISKS: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg1/providers/Microsoft.Compute/disks";

const ENTRY: &str = "version: v1
workspace: {name: acme}
provider: {name: home, driver: local}
cluster: {name: one}
app:
  name: shop
  compose: file:compose.yml
  volumes: [{name: default, size: 1Gi}]
";

const COMPOSE: &str = "services:\n  web:\n    image: nginx:1.29\n    volumes: [\"./data:/data\"]\n";

async fn agent(folder: &Path, arguments: &[&str]) -> Result<Finished> {
    AgentCommand::new(arguments).current_dir(folder).run(LONG).await
}

/// A folder with these files.
fn tree(files: &[(&str, &str)]) -> Result<Folder> {
    let folder = Folder::temporary("tree")?;
    for (path, text) in files {
        if let Some((parent, _)) = path.rsplit_once('/') {
            folder.subfolder(parent)?;
        }
        folder.write(path, text)?;
    }
    Ok(folder)
}

/// What `validate` says about these files, as one text.
async fn verdict(files: &[(&str, &str)]) -> Result<String> {
    let folder = tree(files)?;
    told(&folder).await
}

async fn told(folder: &Folder) -> Result<String> {
    let said = agent(folder.path(), &["validate"]).await?;
    let text = format!("exit {:?}\n{}---\n{}", said.code().unwrap_or(-1), said.stderr, said.stdout);
    Ok(text.replace(&*folder.path().to_string_lossy(), "[folder]"))
}

#[tokio::test]
async fn sound_files_are_valid() -> Result<()> {
    let said = verdict(&[("kompoxops.yml", ENTRY), ("compose.yml", COMPOSE)]).await?;
    insta::assert_snapshot!(said, @r"
    exit 0
    ---
    1 entry, 1 app: valid
    ");
    let warned = COMPOSE.replace("nginx:1.29", "nginx:1.29${VARIANT}");
    let said = verdict(&[("kompoxops.yml", ENTRY), ("compose.yml", &warned)]).await?;
    ensure!(said.starts_with("exit 0\n") && said.contains("compose.yml:3:22"), "{said}");
    Ok(())
}

#[tokio::test]
async fn several_mistakes_are_told_at_once_with_their_lines() -> Result<()> {
    let entry = ENTRY.replace("size: 1Gi", "size: plenty").replace("  compose:", "  ingres: {}\n  compose:");
    let compose = COMPOSE.replace("image:", "imgae:");
    let other = ENTRY.replace("shop", "stall").replace("acme", "Acme Inc");
    let files = [
        ("kompoxops.yml", entry.as_str()),
        ("compose.yml", &compose),
        ("b/kompoxops.yml", &other),
        ("b/compose.yml", COMPOSE),
    ];
    insta::assert_snapshot!(verdict(&files).await?);
    Ok(())
}

#[tokio::test]
async fn files_that_are_no_yaml() -> Result<()> {
    let said = verdict(&[("kompoxops.yml", &ENTRY.replace("app:\n", "app: [\n")), ("compose.yml", COMPOSE)]).await?;
    ensure!(said.starts_with("exit 1\n") && said.contains("kompoxops.yml:"), "{said}");
    let said = verdict(&[("kompoxops.yml", ENTRY), ("compose.yml", "services: {web: {image: a, image: b}}\n")]).await?;
    ensure!(said.starts_with("exit 1\n") && said.contains("compose.yml:1:28"), "{said}");
    let said = verdict(&[("kompoxops.yml", ""), ("compose.yml", COMPOSE)]).await?;
    ensure!(said.starts_with("exit 1\n") && said.contains("kompoxops.yml:1:1"), "{said}");
    let folder = tree(&[("kompoxops.yml", ENTRY)])?;
    std::fs::write(folder.path().join("compose.yml"), b"services: \xff\xfe\n")?;
    let said = told(&folder).await?;
    ensure!(said.starts_with("exit 1\n") && said.contains("compose.yml:1:"), "{said}");
    Ok(())
}

#[tokio::test]
async fn files_that_are_not_there_or_too_many() -> Result<()> {
    let said = verdict(&[("kompoxops.yml", ENTRY)]).await?;
    ensure!(said.starts_with("exit 1\n") && said.contains("kompoxops.yml:7:12"), "{said}");
    let said = verdict(&[("kompoxops.yml", ENTRY), ("kompoxapp.yml", ""), ("compose.yml", COMPOSE)]).await?;
    ensure!(said.starts_with("exit 1\n") && said.contains("kompoxapp.yml"), "{said}");
    let folder = tree(&[("kompoxops.yml", ENTRY), ("elsewhere.yml", COMPOSE)])?;
    std::os::unix::fs::symlink("elsewhere.yml", folder.path().join("compose.yml"))?;
    let said = told(&folder).await?;
    ensure!(said.starts_with("exit 1\n") && said.contains("symbolic link"), "{said}");

    let nothing = Folder::temporary("nothing")?;
    let said = told(&nothing).await?;
    insta::assert_snapshot!(said, @r"
    exit 1
    error: no kompoxops.yml or kompoxapp.yml in . or below
    ---
    ");
    let said = agent(nothing.path(), &["validate", "no/such/folder"]).await?;
    ensure!(said.code() == Some(1) && said.stderr.contains("no/such/folder"), "{}", said.stderr);
    Ok(())
}

/// What a link points to may lie outside of the repository; none is followed, whether it does or not.
#[tokio::test]
async fn what_kom_path_names_is_no_link() -> Result<()> {
    let document = |kind: &str, id: &str, spec: &str| {
        let name = id.rsplit('/').next().unwrap_or_default();
        let metadata = format!("{{name: {name}, annotations: {{ops.kompox.dev/id: {id}}}}}");
        format!("---\napiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata: {metadata}\nspec: {spec}\n")
    };
    let outside = tree(&[("ws.yml", &document("Workspace", "/ws/w", "{}"))])?;
    let paths = "[../file.yml, ../folder, ../folder/ws.yml, ../parents, ../gone/../parents]";
    let entry = format!("apiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {{komPath: {paths}}}\n")
        + &document("App", "/ws/w/prv/p/cls/c/app/a", "{compose: {services: {web: {image: i}}}}");
    let parents = document("Workspace", "/ws/w", "{}")
        + &document("Provider", "/ws/w/prv/p", "{driver: local}")
        + &document("Cluster", "/ws/w/prv/p/cls/c", "{}");
    let folder = tree(&[("app/kompoxapp.yml", &entry), ("parents/all.yml", &parents)])?;
    std::fs::create_dir(folder.path().join(".git"))?;
    std::os::unix::fs::symlink(outside.path().join("ws.yml"), folder.path().join("file.yml"))?;
    std::os::unix::fs::symlink(outside.path(), folder.path().join("folder"))?;
    std::os::unix::fs::symlink("all.yml", folder.path().join("parents/more.yml"))?;
    let said = agent(folder.path(), &["validate", "app"]).await?;
    ensure!(said.code() == Some(1) && said.stdout == "1 entry, 0 apps: 3 errors\n", "{}{}", said.stdout, said.stderr);
    let text = said.stderr.replace(&*outside.path().to_string_lossy(), "[outside]");
    let told: Vec<&str> = text.lines().filter(|line| line.contains("]: ") || line.contains("--> ")).collect();
    insta::assert_snapshot!(told.join("\n"));
    Ok(())
}

/// Without the Compose file, its variables or the key of an encrypted file, the entry itself can be checked.
#[tokio::test]
async fn the_form_alone_needs_nothing_that_the_app_refers_to() -> Result<()> {
    let folder = tree(&[("kompoxops.yml", ENTRY)])?;
    let said = agent(folder.path(), &["validate", "--schema"]).await?;
    ensure!(said.code() == Some(0) && said.stderr.is_empty(), "{}", said.stderr);
    insta::assert_snapshot!(said.stdout, @"1 entry, 1 app: the form is valid, Compose files were not read");

    folder.write("kompoxops.yml", &ENTRY.replace("size: 1Gi", "sise: 1Gi"))?;
    let said = agent(folder.path(), &["validate", "--schema"]).await?;
    ensure!(said.code() == Some(1) && said.stdout == "1 entry, 1 app: 2 errors\n", "{}", said.stdout);
    let place = "kompoxops.yml:8:29";
    ensure!(said.stderr.contains(place) && said.stderr.contains("did you mean `size`?"), "{}", said.stderr);
    let said = agent(folder.path(), &["validate", "--schema", "-o", "json"]).await?;
    let found: Value = serde_json::from_str(&said.stdout)?;
    ensure!(said.code() == Some(1) && found.as_array().map(Vec::len) == Some(2), "{found:#}");
    Ok(())
}

#[tokio::test]
async fn diagnostics_for_programs() -> Result<()> {
    let compose = COMPOSE.replace("image:", "imgae:");
    let folder = tree(&[("kompoxops.yml", ENTRY), ("compose.yml", &compose)])?;
    let said = agent(folder.path(), &["validate", "-o", "json"]).await?;
    ensure!(said.code() == Some(1) && said.stderr.is_empty(), "{}", said.stderr);
    insta::assert_snapshot!(said.stdout);

    folder.write("compose.yml", COMPOSE)?;
    let said = agent(folder.path(), &["validate", "-o", "json"]).await?;
    ensure!(said.code() == Some(0) && said.stdout == "[]\n", "{}", said.stdout);
    Ok(())
}

/// The fixtures by the released binary's twin: everything that is expected is there, nothing is too many.
#[tokio::test]
async fn fixtures_render_to_their_expected_objects() -> Result<()> {
    for (fixture, volumes, count) in [("gitea", &["default"][..], 15), ("webapp", &["default", "db"], 18)] {
        let folder = world::fixtures().join(fixture);
        let handles: Vec<String> =
            volumes.iter().map(|name| format!("--volume-handle={name}={DISKS}/{name}")).collect();
        let mut arguments = vec!["render", "-o", "json"];
        arguments.extend(handles.iter().map(String::as_str));
        let rendered = agent(&folder, &arguments).await?;
        ensure!(rendered.code() == Some(0), "{fixture}: {}", rendered.stderr);
        let objects: Vec<Value> = serde_json::from_str(&rendered.stdout)?;
        let options = serde_saphyr::options! { strict_booleans: true };
        let text = std::fs::read_to_string(folder.join("expected.yaml"))?;
        let expected: Vec<Value> = serde_saphyr::from_multiple_with_options(&text, options)?;
        ensure!((objects.len(), expected.len()) == (count, count), "{fixture}: {} objects", objects.len());
        for expected in &expected {
            let (kind, name) = (&expected["kind"], &expected["metadata"]["name"]);
            let found = objects.iter().find(|object| object["kind"] == *kind && object["metadata"]["name"] == *name);
            let found = found.with_context(|| format!("{fixture}: {kind} {name} is missing"))?;
            expected::check(found, expected, &format!("{fixture}: {kind} {name}"))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn rendering_is_byte_stable_and_yaml_says_the_same_as_json() -> Result<()> {
    let folder = world::fixtures().join("webapp");
    let first = agent(&folder, &["render"]).await?;
    let second = agent(&folder, &["render", "."]).await?;
    ensure!(first.code() == Some(0) && first.stdout == second.stdout, "{}", first.stderr);
    for volume in ["default", "db"] {
        ensure!(first.stderr.contains(&format!("`aks:{volume}` stands in")), "{}", first.stderr);
    }
    let json = agent(&folder, &["render", "-o", "json"]).await?;
    let objects: Vec<Value> = serde_json::from_str(&json.stdout)?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&first.stdout)?;
    ensure!(objects == documents, "yaml and json differ");
    Ok(())
}

#[tokio::test]
async fn one_app_of_several() -> Result<()> {
    let stall = ENTRY.replace("shop", "stall");
    let folder = tree(&[
        ("a/kompoxops.yml", ENTRY),
        ("a/compose.yml", COMPOSE),
        ("b/kompoxops.yml", &stall),
        ("b/compose.yml", COMPOSE),
    ])?;
    let both = agent(folder.path(), &["render"]).await?;
    ensure!(both.stdout.contains("name: shop-app") && both.stdout.contains("name: stall-app"), "{}", both.stdout);
    let one = agent(folder.path(), &["render", "--app", "/ws/acme/prv/home/cls/one/app/stall"]).await?;
    ensure!(
        one.code() == Some(0) && !one.stdout.contains("shop") && one.stdout.contains("name: stall-app"),
        "{}",
        one.stdout
    );
    let none = agent(folder.path(), &["render", "--app", "stal"]).await?;
    ensure!(none.code() == Some(1) && none.stdout.is_empty(), "{}", none.stdout);
    ensure!(none.stderr.contains("/ws/acme/prv/home/cls/one/app/stall"), "{}", none.stderr);
    Ok(())
}

/// Half an answer would be applied by whoever pipes it on.
#[tokio::test]
async fn with_an_error_nothing_is_rendered() -> Result<()> {
    let broken = ENTRY.replace("shop", "stall").replace("size: 1Gi", "size: plenty");
    let folder = tree(&[
        ("a/kompoxops.yml", ENTRY),
        ("a/compose.yml", COMPOSE),
        ("b/kompoxops.yml", &broken),
        ("b/compose.yml", COMPOSE),
    ])?;
    let cases: [&[&str]; 6] = [
        &["render"],
        &["render", "nowhere"],
        &["render", "a", "--volume-handle", "default"],
        &["render", "a", "--volume-handle", "defualt=local://n/x"],
        &["render", "a", "--volume-handle", "default=no-handle"],
        &["render", "a", "-o", "xml"],
    ];
    for arguments in cases {
        let said = agent(folder.path(), arguments).await?;
        ensure!(said.code() == Some(1) && said.stdout.is_empty(), "{arguments:?}: {:?} {}", said.code(), said.stdout);
        ensure!(said.stderr.contains("error"), "{arguments:?}: {}", said.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn a_root_is_prepared_once_and_for_one_node() -> Result<()> {
    let folder = Folder::temporary("root")?;
    let path = folder.path().join("disks");
    let path = path.to_string_lossy();
    let first = agent(folder.path(), &["disk", "init-root", "disks", "--node", "node-1"]).await?;
    ensure!(first.code() == Some(0) && first.stdout.contains(&format!("{path} is now the root")), "{}", first.stderr);
    let marker = std::fs::read_to_string(folder.path().join("disks/.kompox-root"))?;
    let second = agent(folder.path(), &["disk", "init-root", &path, "--node", "node-1"]).await?;
    ensure!(second.code() == Some(0) && second.stdout.contains("already is the root"), "{}", second.stderr);
    let other = agent(folder.path(), &["disk", "init-root", &path, "--node", "node-2"]).await?;
    ensure!(other.code() == Some(1) && other.stdout.is_empty(), "{}", other.stdout);
    ensure!(other.stderr.contains("`node-1`, not `node-2`"), "{}", other.stderr);
    let bad = agent(folder.path(), &["disk", "init-root", "elsewhere", "--node", "../x"]).await?;
    ensure!(bad.code() == Some(1) && !folder.path().join("elsewhere").exists(), "{}", bad.stderr);
    ensure!(std::fs::read_to_string(folder.path().join("disks/.kompox-root"))? == marker, "the marker has changed");
    Ok(())
}
