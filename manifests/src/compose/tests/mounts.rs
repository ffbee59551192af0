use super::*;

fn mounts(lines: &str) -> Vec<(String, Option<String>, String, bool)> {
    let mounts = case().load(&web(lines)).service().mounts;
    mounts.into_iter().map(|mount| (mount.volume, mount.sub_path, mount.target, mount.read_only)).collect()
}

fn mount(volume: &str, sub_path: &str, target: &str, read_only: bool) -> (String, Option<String>, String, bool) {
    (volume.to_owned(), Some(sub_path.to_owned()).filter(|path| !path.is_empty()), target.to_owned(), read_only)
}

#[test]
fn short_mounts() {
    assert_eq!(
        mounts(
            "volumes: [\"./data/web:/data\", \"db:/db\", \"db/sub/x:/sub:ro\", \"./a/../b:/b\"]"
                .replace("./a/../b", "./a//b/")
                .as_str()
        ),
        [
            mount("default", "data/web", "/data", false),
            mount("db", "", "/db", false),
            mount("db", "sub/x", "/sub", true),
            mount("default", "a/b", "/b", false),
        ]
    );
}

#[test]
fn long_mounts() {
    assert_eq!(
        mounts(
            "volumes:\n\
             - {type: bind, source: ./data, target: /a, read_only: true, bind: {create_host_path: true}}\n\
             - {type: bind, source: data, target: /b/, read_only: \"false\"}\n\
             - {type: volume, source: db, target: /c, volume: {nocopy: true}}\n\
             - {type: volume, source: db/x, target: /d, volume: {subpath: y/z}}\n"
        ),
        [
            mount("default", "data", "/a", true),
            mount("default", "data", "/b", false),
            mount("db", "", "/c", false),
            mount("db", "x/y/z", "/d", false),
        ]
    );
}

#[test]
fn bad_mounts_are_named() {
    for (volume, expected) in [
        ("/etc/localtime:/etc/localtime:ro", "`/etc/localtime` is a path of the host"),
        ("~/data:/data", "`~/data` is a path of the host"),
        ("/data", "a volume without a name would be lost with the Pod"),
        ("../data:/data", "the folder `../data` leaves the volume with `..`"),
        ("./a/../../b:/data", "the folder `./a/../../b` leaves the volume with `..`"),
        ("db/../x:/data", "the folder `../x` leaves the volume with `..`"),
        ("cache:/data", "the App has no volume `cache`"),
        ("db:data", "`data` is no absolute path below `/`"),
        ("db:/", "`/` is no absolute path below `/`"),
        ("a:b:c:d", "a mount has at most two `:`"),
    ] {
        let outcome = case().load(&web(&format!("volumes: [\"{volume}\"]")));
        outcome.finds(&format!("error compose.yml:4:15: {expected}"));
    }
    for (volume, expected) in [
        ("{type: image, source: x, target: /x}", "4:22: mounts of type `image` are not made"),
        ("{type: disk, source: x, target: /x}", "4:22: `type` cannot be `disk`"),
        ("{type: volume, source: db}", "4:15: `volumes` of service `web` needs `target`"),
        ("{type: volume, target: /x}", "4:15: the volume needs `source`"),
        ("{source: db, target: /x}", "4:15: `volumes` of service `web` needs `type`"),
        ("{type: bind, source: /x, target: /x}", "4:36: `/x` is a path of the host"),
        ("{type: volume, source: db, target: /x, volume: {subpath: ../x}}", "4:72: the folder `../x` leaves"),
        ("{type: volume, source: db, target: /x, read_only: maybe}", "4:65: `read_only` must be `true` or `false`"),
        (
            "{type: bind, source: ./x, target: /x, bind: {propagation: rshared}}",
            "4:60: `volumes.bind.propagation` of service `web` cannot be kept",
        ),
        ("5", "4:15: `volumes` must be a string or a mapping, found an integer"),
    ] {
        let found = case().load(&web(&format!("volumes: [{volume}]"))).found();
        let expected = format!("error compose.yml:{expected}");
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{volume}: {found:?}");
    }
}

#[test]
fn a_misspelt_volume_gets_a_suggestion() {
    let outcome = case().load(&web("volumes: [\"defualt:/x\"]"));
    assert_eq!(outcome.diagnostics[0].help.as_deref(), Some("did you mean `default`?"));
}

#[test]
fn a_bind_needs_a_volume_to_lie_on() {
    let none = Case { volumes: Vec::new(), ..case() };
    none.load(&web("volumes: [\"./x:/x\"]")).finds("error compose.yml:4:15: `./x` needs a volume to lie on");
}

#[test]
fn files_of_the_repository_are_not_binds() {
    let repository =
        || case().file("app/nginx.conf", "x").file("app/site/index.html", "x").file("app/data/.gitkeep", "");
    let load = |source: &str| repository().load(&web(&format!("volumes: [\"{source}:/x\"]")));
    load("./nginx.conf").finds("error compose.yml:4:15: `./nginx.conf` is a file of the repository");
    load("./site").finds("warning compose.yml:4:15: the repository's files in `./site` are not copied");
    load(".").finds("warning compose.yml:4:15: the repository's files in `.` are not copied");
    assert_eq!(load("./data").found(), [""; 0]);
    // A file of that name on a volume is no business of the repository's.
    assert_eq!(load("db/nginx.conf").found(), [""; 0]);
}

#[test]
fn one_path_holds_one_volume() {
    case()
        .load(&web("volumes: [\"db:/x\", \"./a:/x/\"]"))
        .finds("error compose.yml:4:24: `/x` is mounted already, at compose.yml:4:15");
}

#[test]
fn unknown_options_are_said() {
    case()
        .load(&web("volumes: [\"db:/x:cached\"]"))
        .finds("warning compose.yml:4:15: the mount option `cached` has no effect");
}

#[test]
fn top_level_volumes_are_the_apps() {
    assert_eq!(case().load(&(web("") + "volumes: {db: {}, default: }\n")).found(), [""; 0]);
    case().load(&(web("") + "volumes: {cache: }\n")).finds("info compose.yml:4:11: the volume `cache` is not made");
    case()
        .load(&(web("") + "volumes: {db: {driver: nfs}}\n"))
        .finds("warning compose.yml:4:16: `driver` of volume `db` has no effect");
    case()
        .load(&(web("") + "volumes: {db: {drivr: nfs}}\n"))
        .finds("error compose.yml:4:16: volume `db` has no key `drivr`");
}
