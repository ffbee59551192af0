use super::*;

#[test]
fn a_mapping_a_string_and_a_file_say_the_same() {
    let mapping = "compose:\n  services:\n    web: {image: nginx, command: echo yes, environment: {A: yes, B: 0444}}\n";
    let string =
        "compose: |\n  services:\n    web: {image: nginx, command: echo yes, environment: {A: yes, B: 0444}}\n";
    let file = "services:\n  web: {image: nginx, command: echo yes, environment: {A: yes, B: 0444}}\n";
    let services = [case().document(mapping).service(), case().document(string).service(), case().load(file).service()];
    for service in services {
        assert_eq!(service.command, Some(strings(&["echo", "yes"])));
        let environment: Vec<(&str, &str)> =
            service.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // Typed as Compose types it, whatever the document around it is.
        assert_eq!(environment, [("A", "yes"), ("B", "292")]);
    }
}

#[test]
fn positions_point_into_the_file_that_people_edit() {
    case()
        .document("compose:\n  services:\n    web: {}\n")
        .finds("error kompoxapp.yml:3:5: service `web` has no `image`");
    case().document("compose: |\n  services:\n    web: {}\n").finds("error kompoxapp.yml:3:5: service `web` has no");
    case().load("services:\n  web: {}\n").finds("error compose.yml:2:3: service `web` has no `image`");
}

#[test]
fn only_documents_are_accepted() {
    case().document("compose: 5\n").finds("error kompoxapp.yml:1:10: `compose` must be a mapping");
}

#[test]
fn a_document_is_one_mapping_with_services() {
    let found = |text: &str| case().load(text).found();
    assert_eq!(found("# nothing\n"), ["error kompoxapp.yml:1:10: the Compose document is empty"]);
    assert_eq!(found("- a\n"), ["error compose.yml:1:1: `compose` must be a mapping with `services`, found a list"]);
    assert_eq!(
        found("services: {}\n---\nservices: {}\n"),
        ["error compose.yml:3:1: a Compose file is one document, and this begins a second one"]
    );
    assert_eq!(found("x-a: 1\n"), ["error compose.yml:1:1: the Compose file needs `services`"]);
    assert_eq!(found("services: {}\n"), ["error compose.yml:1:11: no service takes part, so there is nothing to run"]);
    assert_eq!(found("services:\n  a: [\n").len(), 1);
}

#[test]
fn a_compose_file_lies_beside_or_below_its_app() {
    let nested = case().file("app/deep/compose.yml", web("env_file: a.env")).file("app/deep/a.env", "A=1\n");
    let service = nested.document("compose: file:./deep/compose.yml\n").service();
    assert_eq!(service.env_file.unwrap().0["A"], "1");

    for path in ["/compose.yml", "../compose.yml", "https://example.org/compose.yml", "missing.yml", ""] {
        let outcome = case().document(&format!("compose: \"file:{path}\"\n"));
        assert_eq!(outcome.found().len(), 1, "{path}");
        assert!(outcome.found()[0].starts_with("error kompoxapp.yml:1:10: "), "{:?}", outcome.found());
    }
}

#[test]
fn an_app_from_elsewhere_refers_to_no_local_file() {
    let elsewhere = || Case { local_files: false, ..case().file("app/a.env", "A=1\n").file("app/.env", "A=1\n") };
    let refused = |lines: &str, path: &str| {
        let text = format!("compose:\n  services:\n    web:\n      image: nginx\n{lines}");
        let found = elsewhere().document(&text).found();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains(&format!("`{path}` is a local file, and this App came in through `komPath`")),
            "{found:?}"
        );
    };
    refused("      env_file: a.env\n", "a.env");
    refused("      volumes: [\"./data:/data\"]\n", "./data");
    refused("      secrets: [s]\n  secrets: {s: {file: a.env}}\n", "a.env");
    let found = elsewhere().document("compose: file:compose.yml\n").found();
    assert!(found[0].contains("`compose.yml` is a local file"), "{found:?}");
    // What it needs no file for, it may have.
    let service =
        elsewhere().document("compose:\n  services:\n    web: {image: nginx, volumes: [\"db:/data\"]}\n").service();
    assert_eq!(service.mounts.len(), 1);
}

#[test]
fn tags_of_merged_files_mean_nothing() {
    case().load(&web("ports: !reset []")).finds("error compose.yml:4:12: the tag `!reset` has no meaning here");
}

#[test]
fn variables_come_from_the_file_beside_the_compose_file() {
    let compose = web("command: echo ${WHO:-nobody} $$HOME");
    let command = |case: Case| case.load(&compose).service().command.unwrap();
    assert_eq!(command(case()), ["echo", "nobody", "$HOME"]);
    assert_eq!(command(case().file("app/.env", "export WHO='you'\n")), ["echo", "you", "$HOME"]);
    assert_eq!(command(case().file(".env", "WHO=root\n")), ["echo", "nobody", "$HOME"]);
    case().load(&web("command: echo $HOME")).finds("warning compose.yml:4:19: the variable `HOME` is not set");
    case().file("app/.env", "A").load(&web("")).finds("error .env:1:1: the line has no `=`");
}

#[test]
fn what_comes_out_of_a_variable_is_never_shown() {
    let lines = [
        "image: \"$S x\"",
        "ports: [\"$S\"]",
        "ports: [\"$S:80\"]",
        "volumes: [\"$S:/data\"]",
        "volumes: [\"./$S/..:/data\"]",
        "volumes: [\"/$S:/data\"]",
        "volumes: [\"db:$S\"]",
        "volumes: [\"db:/data:$S\"]",
        "env_file: $S",
        "configs: [\"$S\"]",
        "secrets: [{source: s, target: \"../$S\"}]",
        "secrets: [{source: s, mode: $S}]",
        "network_mode: $S",
        "restart: $S",
        "scale: $S",
        "command: \"'$S\"",
        "x-kompox: {limits: {cpu: $S}}",
        "environment: [\"$S=1\"]",
        "read_only: $S",
        "volumes: [{type: $S, source: a, target: /b}]",
        "deploy: {mode: $S}",
        "env_file: [{path: a, required: $S}]",
    ];
    for line in lines {
        let outcome = case().file("app/.env", "S=hush 5e!\n").load(&web(line));
        assert!(!outcome.diagnostics.is_empty(), "{line} was accepted");
        for diagnostic in &outcome.diagnostics {
            let text = format!("{diagnostic:?} {diagnostic} {:?}", diagnostic.help);
            assert!(!text.contains("hush"), "{line}: {text}");
        }
    }
}

#[test]
fn the_order_of_the_file_does_not_matter() {
    let one = "services:\n  a: {image: a}\n  b: {image: b}\n  c: {image: c}\n";
    let other = "services:\n  c: {image: c}\n  a: {image: a}\n  b: {image: b}\n";
    let names = |text| -> Vec<String> {
        case().load(text).project().services.into_iter().map(|service| service.name).collect()
    };
    assert_eq!(names(one), ["a", "b", "c"]);
    assert_eq!(names(one), names(other));
}
