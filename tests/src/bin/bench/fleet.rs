//! The Apps that are measured: two services, two Secrets, a disk, two Ingresses; 15 objects each.

use kompox_tests::ground;

/// Objects of one App.
pub(crate) const OBJECTS: usize = 15;
/// Objects of one App that a change of its environment changes.
pub(crate) const CHANGED: usize = 2;

/// The name of an App; no App's name is a part of another's.
pub(crate) fn name(number: u16) -> String {
    format!("app{number:03}")
}

/// The environment of an App's service `web`, as the `version`th commit has it.
pub(crate) fn web_env(number: u16, version: &str) -> (String, String) {
    (format!("{}/web.env", name(number)), format!("VERSION={version}\n"))
}

/// All files of an App, with its disks below `root`.
pub(crate) fn files(number: u16, root: &str) -> Vec<(String, String)> {
    let app = name(number);
    vec![
        (format!("{app}/kompoxops.yml"), ground::entry(&app, root)),
        (format!("{app}/compose.yml"), COMPOSE.to_owned()),
        (format!("{app}/db.env"), "POSTGRES_DB=shop\n".to_owned()),
        web_env(number, "first"),
    ]
}

const COMPOSE: &str = "services:
  web:
    image: nginx:1.29
    env_file: [web.env]
    ports: [\"8080:80\"]
    volumes: [\"./web:/data\"]
  db:
    image: postgres:17
    env_file: [db.env]
    volumes: [\"./db:/var/lib/postgresql/data\"]
";
