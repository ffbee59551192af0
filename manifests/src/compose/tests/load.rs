use super::*;

const BASE: &str = "services:\n  base: {image: nginx, command: run, environment: {A: '1', B: '2'}}\n";

#[test]
fn a_service_extends_one_of_its_own_file() {
    let compose = BASE.to_owned() + "  web:\n    extends: base\n    command: [go]\n    environment: [B=3]\n";
    let services = case().load(&compose).project().services;
    let web = &services[1];
    assert_eq!((web.name.as_str(), web.image.value.as_str()), ("web", "nginx"));
    assert_eq!(web.command, Some(strings(&["go"])));
    assert_eq!((web.environment["A"].as_str(), web.environment["B"].as_str()), ("1", "3"));
    // The value's place is the file and line that people wrote it on.
    assert_eq!(web.image.at.line, 2);
}

#[test]
fn a_service_extends_one_of_another_file_with_that_files_paths() {
    let common = "services:\n  base:\n    extends: {service: root}\n    env_file: [web.env]\n    volumes: [\"./data:/data\"]\n  root: {image: \"nginx:$TAG\"}\n";
    let service = case()
        .file("app/common/base.yml", common)
        .file("app/common/web.env", "A=common\nB=2\n")
        .file("app/web.env", "A=own\n")
        .file("app/.env", "TAG=1.27\n")
        .load("services:\n  web:\n    extends: {file: common/base.yml, service: base}\n    env_file: web.env\n")
        .service();
    assert_eq!(service.image.value, "nginx:1.27");
    let env = service.env_file.unwrap().0;
    assert_eq!(env.get("B").map(String::as_str), Some("2"), "{:?}", env.keys());
    assert_eq!(service.mounts[0].sub_path.as_deref(), Some("common/data"));
}

#[test]
fn the_projects_name_is_a_variable() {
    let service = "environment: [COMPOSE_PROJECT_NAME, \"X=$COMPOSE_PROJECT_NAME\"]\n";
    let names = |case: Case, name: &str| {
        let environment = case.load(&(name.to_owned() + &web(service))).service().environment;
        [environment["COMPOSE_PROJECT_NAME"].clone(), environment["X"].clone()]
    };
    for (name, expected) in [
        ("", "app1"),
        ("name: shop\n", "shop"),
        ("name: \"${STAGE}-shop\"\n", "test-shop"),
        ("name: \"${COMPOSE_PROJECT_NAME:-own}\"\n", "own"),
        ("name: \"${STAGE:+}\"\n", "app1"),
    ] {
        assert_eq!(names(case().file("app/.env", "STAGE=test\n"), name), [expected; 2], "{name}");
    }
    let set = case().file("app/.env", "COMPOSE_PROJECT_NAME=set\n");
    assert_eq!(names(set, "name: shop\n"), ["set"; 2]);
    // Included files are of the same project.
    let included = "services: {b: {image: b, command: \"$COMPOSE_PROJECT_NAME\"}}\n";
    let services = case().file("app/b/b.yml", included).load("name: shop\ninclude: [b/b.yml]\n").project().services;
    assert_eq!(services[0].command, Some(strings(&["shop"])));
}

#[test]
fn a_bind_of_an_included_file_stays_in_the_project() {
    let load = |bind: &str| {
        let compose = format!("services:\n  b: {{image: b, volumes: [\"{bind}:/data\"]}}\n");
        case().file("app/sub/b.yml", compose).load("include: [sub/b.yml]\n")
    };
    for (bind, folder) in [("../d", "d"), ("./a/../c", "sub/c"), ("../sub/x", "sub/x")] {
        assert_eq!(load(bind).service().mounts[0].sub_path.as_deref(), Some(folder), "{bind}");
    }
    load("../../d").finds("error sub/b.yml:2:27: the folder `../../d` leaves the volume with `..`");
}

#[test]
fn files_outside_the_folder_are_fine_and_outside_the_repository_are_not() {
    let extending = |path: &str| format!("services:\n  web:\n    extends: {{file: {path}, service: base}}\n");
    let shared = case().file("shared/base.yml", BASE).load(&extending("../shared/base.yml"));
    assert_eq!(shared.service().image.value, "nginx");
    for path in ["../../base.yml", "/base.yml", "https://example.org/base.yml", "missing.yml", "''"] {
        let found = case().load(&extending(path)).found();
        assert!(found[0].starts_with("error compose.yml:3:21: "), "{path}: {found:?}");
    }
    let compose = "services:\n  b: {image: b, volumes: [\"./data:/data\"]}\n";
    let outcome = case().file("shared/b.yml", compose).load("include: [../shared/b.yml]\n");
    outcome.finds("error shared/b.yml:2:27: `./data` is beside a file that lies outside the App's folder");
}

#[test]
fn what_cannot_be_extended_is_said_at_its_name() {
    for (lines, expected) in [
        ("extends: bse", "error compose.yml:4:14: `compose.yml` has no service `bse` to extend"),
        ("extends: web", "error compose.yml:4:14: the services extend each other: web → web"),
        ("extends: {}", "error compose.yml:4:14: `extends` needs `service`"),
        ("extends: {service: base, fle: x}", "error compose.yml:4:30: `extends` has no key `fle`"),
        ("extends: [base]", "error compose.yml:4:14: `extends` must be a string"),
    ] {
        let outcome = case().load(&format!("services:\n  web:\n    image: x\n    {lines}\n  base: {{image: nginx}}\n"));
        outcome.finds(expected);
    }
    let circle = "services:\n  a: {image: x, extends: b}\n  b: {image: x, extends: a}\n";
    let found = case().load(circle).found();
    assert_eq!(found[0], "error compose.yml:3:26: the services extend each other: a → b → a");
}

#[test]
fn long_chains_and_many_copies_end() {
    let link = |n: usize| format!("  s{n}: {{image: x, extends: s{}}}\n", n + 1);
    let chain = format!("services:\n{}  s40: {{image: x}}\n", (0..40).map(link).collect::<String>());
    let found = case().load(&chain).found();
    assert!(found[0].contains("more than 16 services extend each other"), "{found:?}");

    let large: String = (0..2_000).map(|n| format!("      V{n}: x\n")).collect();
    let copies: String = (0..300).map(|n| format!("  s{n}: {{extends: base}}\n")).collect();
    let bomb = format!("services:\n  base:\n    image: x\n    environment:\n{large}{copies}");
    let found = case().load(&bomb).found();
    assert!(found.iter().any(|line| line.contains("more than 500000 values")), "no limit");
}

#[test]
fn tags_steer_what_is_extended() {
    let base = "services:\n  base: {image: nginx, ports: ['80:80'], environment: {A: '1', B: '2'}, profiles: [p]}\n";
    let lines = "    extends: base\n    profiles: !reset []\n    ports: !override ['81:81']\n    environment: {A: !reset null}\n";
    let outcome = case().load(&format!("{base}  web:\n{lines}"));
    let services = outcome.loaded.unwrap().project.services;
    assert_eq!(services.len(), 1);
    assert_eq!(services[0].container_ports, [81]);
    assert_eq!(services[0].environment.keys().collect::<Vec<_>>(), ["B"]);
    let unknown = case().load(&format!("{base}  web:\n    extends: base\n    ports: !other []\n")).found();
    assert_eq!(unknown[0], "error compose.yml:5:12: the tag `!other` means nothing in a Compose file");
}

#[test]
fn included_files_bring_their_services_and_variables() {
    let db =
        "services:\n  db: {image: \"db:$TAG\", environment: [WHO], secrets: [pw]}\nsecrets: {pw: {file: pw.txt}}\n";
    let tree =
        || case().file("app/db/compose.yml", db).file("app/db/pw.txt", "x").file("app/db/.env", "TAG=1\nWHO=db\n");
    let compose = "include: [db/compose.yml]\nservices:\n  web: {image: nginx}\n";
    let project = tree().load(compose).project();
    let images: Vec<&str> = project.services.iter().map(|service| service.image.value.as_str()).collect();
    assert_eq!(images, ["db:1", "nginx"]);
    assert_eq!(project.services[0].environment["WHO"], "db");
    assert_eq!(project.secrets.len(), 1);
    // What the including file knows wins.
    let project = tree().file("app/.env", "TAG=2\n").load(compose).project();
    assert_eq!(project.services[0].image.value, "db:2");
}

#[test]
fn the_long_form_merges_its_files() {
    let one = "services:\n  db: {image: one, environment: {A: \"$A\"}, env_file: a.env}\n";
    let two = "services:\n  db: {image: two}\n";
    let compose =
        "include:\n  - path: [sub/one.yml, sub/two.yml]\n    project_directory: .\n    env_file: [sub/vars.env]\n";
    let tree = || case().file("app/sub/one.yml", one).file("app/sub/two.yml", two).file("app/a.env", "X=1\n");
    let service = tree().file("app/sub/vars.env", "A=5\n").load(compose).service();
    assert_eq!((service.image.value.as_str(), service.environment["A"].as_str()), ("two", "5"));
    assert_eq!(service.env_file.unwrap().0["X"], "1");
}

#[test]
fn includes_that_do_not_fit_are_errors() {
    let db = "services: {db: {image: db}}\n";
    let load = |text: &str| case().file("app/db.yml", db).load(text);
    let same = load("include: [db.yml]\nservices: {db: {image: db}}\n");
    assert_eq!(same.service().image.value, "db");
    load("include: [db.yml]\nservices: {db: {image: other}}\n")
        .finds("error compose.yml:2:12: `services.db` is also included, from db.yml:1:12, and differs");
    load("include: db.yml\nservices: {a: {image: a}}\n").finds("error compose.yml:1:10: `include` must be a list");
    load("include: [{pth: db.yml}]\nservices: {a: {image: a}}\n")
        .finds("error compose.yml:1:12: `include` has no key `pth`");
    load("include: [compose.yml]\nservices: {a: {image: a}}\n")
        .finds("error compose.yml:1:11: the files include each other");
    load("include: [../../db.yml]\nservices: {a: {image: a}}\n")
        .finds("error compose.yml:1:11: the path `../../db.yml` leaves");
    let unknown = case().file("app/db.yml", "servces: {}\n").load("include: [db.yml]\nservices: {a: {image: a}}\n");
    unknown.finds("error db.yml:1:1: the included file has no key `servces`");
}

#[test]
fn an_app_from_elsewhere_draws_no_file_in() {
    let mut elsewhere = case();
    elsewhere.local_files = false;
    let compose = "compose:\n  include: [db.yml]\n  services: {a: {image: a}}\n";
    elsewhere.document(compose).finds("error kompoxapp.yml:2:13: `db.yml` is a local file, and this App came in");
}
