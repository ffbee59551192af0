//! Projects to read, and what is expected of reading them.

/// What is expected.
pub(super) enum Outcome {
    /// Both make the same of it.
    Same,
    /// Both refuse it.
    Refused,
    /// Only ours refuses it: why, and what its error says.
    RefusedByUs(&'static str, &'static str),
    /// Only the reference refuses it: why ours does not.
    RefusedByReference(&'static str),
    /// Both take it, and ours makes this of one place: why, a JSON pointer, and the value there as JSON.
    Differs(&'static str, &'static str, &'static str),
}

/// A `compose.yml` with the files beside it.
pub(super) struct Project {
    pub(super) name: &'static str,
    pub(super) compose: &'static str,
    pub(super) beside: &'static [(&'static str, &'static str)],
    pub(super) outcome: Outcome,
}

impl Project {
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        std::iter::once(("compose.yml", self.compose)).chain(self.beside.iter().copied())
    }
}

const fn same(name: &'static str, compose: &'static str, beside: &'static [(&'static str, &'static str)]) -> Project {
    Project { name, compose, beside, outcome: Outcome::Same }
}

const fn refused(name: &'static str, compose: &'static str) -> Project {
    Project { name, compose, beside: &[], outcome: Outcome::Refused }
}

const fn but(project: Project, outcome: Outcome) -> Project {
    Project { outcome, ..project }
}

use Outcome::{Differs, RefusedByReference, RefusedByUs};

/// All of them.
pub(super) const CORPUS: &[Project] = &[
    // YAML.
    same(
        "anchors, aliases and merge keys",
        "x-common: &common
  environment: &env {A: a, B: b}
  tty: true
x-more: &more {working_dir: /srv, tty: false}
services:
  one:
    <<: *common
    image: i
  two:
    <<: [*more, *common]
    image: i
    environment: {<<: *env, B: other, C: c}
  three: {<<: *more, image: i, working_dir: /own}
",
        &[],
    ),
    same(
        "scalars",
        "services:
  web:
    image: i
    environment:
      V1: yes
      V2: no
      V3: on
      V4: y
      V5: true
      V6: TRUE
      OCTAL: 0444
      NEW_OCTAL: 0o17
      EIGHT: 08
      HEX: 0x1F
      BINARY: 0b11
      UNDERSCORE: 1_000
      FLOAT: 1.10
      EXPONENT: 1e3
      LARGE: 12345678901234567890
      SEXAGESIMAL: 22:22
      QUOTED: \"0444\"
      EMPTY: \"\"
      FOLDED: >-
        a
        b
      LITERAL: |
        a
        b
      PLUS: +5
",
        &[],
    ),
    but(
        same("a date", "services: {web: {image: i, environment: {DATE: 2026-11-20}}}\n", &[]),
        Differs(
            "a date stays the text that was written; the reference makes an instant of it, which nobody means",
            "/services/web/environment/DATE",
            "\"2026-11-20\"",
        ),
    ),
    but(
        same("keys that are no texts", "services: {web: {image: i, environment: {true: a}}}\n", &[]),
        RefusedByReference("a key is the text that stands there, as documented; the reference wants quotes"),
    ),
    same(
        "booleans in words",
        "services: {web: {image: i, tty: \"yes\", stdin_open: \"on\", read_only: \"true\", privileged: \"no\"}}\n",
        &[],
    ),
    refused("a boolean that is none", "services: {web: {image: i, tty: maybe}}\n"),
    refused("a key that stands twice", "services:\n  web:\n    image: i\n    image: j\n"),
    refused("an alias without its anchor", "services: {web: {image: *nothing}}\n"),
    refused("a merge of no mapping", "services: {web: {image: i, environment: {<<: text}}}\n"),
    refused("tabs", "services:\n\tweb: {image: i}\n"),
    but(
        same("two documents", "services: {web: {image: i}}\n---\nservices: {web: {command: [c]}}\n", &[]),
        RefusedByUs(
            "the reference merges the documents of a file; a second one in an App's file is more likely a mistake",
            "a Compose file is one document",
        ),
    ),
    // Variables.
    same(
        "every operator of interpolation",
        "services:
  web:
    image: \"i:${TAG}\"
    command: [\"$TAG\", \"${TAG}\", \"a$TAG-b\", \"$$TAG\", \"$${TAG}\", \"${UNSET}\"]
    environment:
      D1: ${UNSET-default}
      D2: ${EMPTY-default}
      D3: ${EMPTY:-default}
      D4: ${TAG:-default}
      R1: ${TAG:?needed}
      R2: ${EMPTY?needed}
      P1: ${TAG:+there}
      P2: ${EMPTY:+there}
      P3: ${EMPTY+there}
      P4: ${UNSET+there}
      N1: ${UNSET:-${TAG}}
      N2: ${UNSET:-a${EMPTY:-b${TAG}c}d}
      N3: ${TAG:+${UNSET:-x}y}
      E1: ${UNSET:-}
      E2: \"${UNSET:-a b: c}\"
      E3: ${UNSET:-$$x}
      E4: a${TAG}b${TAG}c
",
        &[(".env", "TAG=1.2\nEMPTY=\n")],
    ),
    same(
        "variables in numbers and booleans",
        "services:
  web:
    image: i
    tty: ${YES}
    mem_limit: ${SIZE}
    ports: [\"${PORT}:80\"]
    healthcheck: {test: [CMD, c], retries: \"${TRIES}\", interval: \"${EVERY}\"}
    deploy: {replicas: \"${ONE}\"}
",
        &[(".env", "YES=true\nSIZE=64m\nPORT=8080\nTRIES=7\nEVERY=90s\nONE=1\n")],
    ),
    same(
        "a value from .env for a name alone",
        "services: {web: {image: i, environment: [GIVEN, OWN=x]}, other: {image: i, environment: {GIVEN: , OWN: y}}}\n",
        &[(".env", "GIVEN=g\n")],
    ),
    but(
        same("keys are not interpolated", "services: {web: {image: i, environment: {$A: x}}}\n", &[(".env", "A=a\n")]),
        RefusedByUs("Kubernetes takes no such name", "a name in `environment`"),
    ),
    refused("a required variable that is missing", "services: {web: {image: \"i:${TAG:?set TAG}\"}}\n"),
    refused("a variable that is not closed", "services: {web: {image: \"i:${TAG\"}}\n"),
    same(
        "dollar signs that begin nothing",
        "services: {web: {image: i, command: [a$, \"$ a\", \"^/(.*)$ /$1\", $-x, $., \"$é\", \"$(date)\"]}}\n",
        &[],
    ),
    refused("a name that begins with a digit", "services: {web: {image: \"i:${1A}\"}}\n"),
    // Forms.
    same(
        "lists and mappings",
        "services:
  list:
    image: i
    environment: [A=a, B=, \"C=x=y\", A=again]
    labels: [l.a=1, l.b]
    depends_on: [map]
    entrypoint: [e, \"f g\"]
    command: [c, \"d e\"]
    healthcheck: {test: [CMD-SHELL, a && b]}
  map:
    image: i
    environment: {A: a, B: \"\", C: 5}
    annotations: {m.a: true, m.b: 1.10}
    entrypoint: e 'f g'
    command: c \"d e\" f\\ g
    healthcheck: {test: a && b, interval: 1m30s, timeout: 5s, start_period: 1h, retries: 2}
",
        &[],
    ),
    same(
        "short and long syntax",
        "services:
  web:
    image: i
    ports:
      - \"8080:80\"
      - {target: 81, published: \"8081\", protocol: tcp}
    expose: [90, \"91\"]
    volumes:
      - ./data:/data
      - ./a/b:/ab:ro
      - db:/db
      - {type: volume, source: db, target: /sub, volume: {subpath: x/y}}
      - {type: bind, source: ./c, target: /c, read_only: true}
    configs: [conf, {source: conf, target: /etc/conf, mode: 0440}]
    secrets: [sec, {source: sec, target: other}]
    cap_add: [CHOWN, KILL]
    cap_drop: [MKNOD]
configs: {conf: {file: ./c.txt}}
secrets: {sec: {file: ./s.txt}}
volumes: {db: }
",
        &[("c.txt", "c\n"), ("s.txt", "s\n")],
    ),
    same("repeated items", "services: {web: {image: i, cap_add: [CHOWN, CHOWN], expose: [80, \"80\"]}}\n", &[]),
    refused("an item that stands twice", "services: {web: {image: i, group_add: [5, 5]}}\n"),
    same(
        "conditions",
        "services:
  app: {image: i, depends_on: {db: {condition: service_healthy}, job: {condition: service_completed_successfully}}}
  job: {image: i, depends_on: {db: {condition: service_started}}}
  db: {image: i, healthcheck: {test: [CMD, check]}}
  late: {image: i, links: [db], depends_on: {ghost: {condition: service_started, required: false}}}
  ghost: {image: i, profiles: [night]}
",
        &[],
    ),
    same(
        "a network that is another service's",
        "services: {a: {image: i, network_mode: \"service:b\"}, b: {image: i}}\n",
        &[],
    ),
    refused("a circle", "services: {a: {image: i, depends_on: [b]}, b: {image: i, depends_on: [a]}}\n"),
    refused("a service that is not there", "services: {a: {image: i, depends_on: [ghost]}}\n"),
    refused(
        "a service that is not there and not needed",
        "services: {a: {image: i, depends_on: {ghost: {condition: service_started, required: false}}}}\n",
    ),
    refused("a config that is not there", "services: {a: {image: i, configs: [ghost]}}\n"),
    refused("an unknown key", "services: {a: {image: i, comand: x}}\n"),
    refused("an unknown key at the top", "services: {a: {image: i}}\nservice: {}\n"),
    refused("nothing where something belongs", "services: {a: {image: i, ports: }}\n"),
    refused("no image", "services: {a: {command: [c]}}\n"),
    refused("no duration", "services: {a: {image: i, healthcheck: {test: t, interval: soon}}}\n"),
    same("profiles", "services: {a: {image: i}, b: {image: i, profiles: [debug]}, c: {image: i, profiles: []}}\n", &[]),
    refused(
        "a dependency on a service of a profile",
        "services: {a: {image: i, depends_on: [b]}, b: {image: i, profiles: [debug]}}\n",
    ),
    // Environment files.
    same(
        "environment files in order",
        "services:
  web:
    image: i
    env_file: [a.env, {path: b.env}, {path: none.env, required: false}]
    environment: {OWN: own, B: over}
  short: {image: i, env_file: a.env}
",
        &[("a.env", "A=1\nB=1\nC=1\n"), ("b.env", "B=2\nC=2\nOWN=file\n")],
    ),
    same(
        "forms of lines",
        "services: {web: {image: i, env_file: a.env}}\n",
        &[(
            "a.env",
            "# comment\n\nPLAIN=a b\nexport EXPORTED=e\nDOUBLE=\"a b\"\nSINGLE='a b'\nLINES=\"a\\nb\"\nESCAPED=\"a\\\"b\"\nEQUALS=a=b\nEMPTY=\n",
        )],
    ),
    but(
        same(
            "raw lines",
            "services: {web: {image: i, env_file: [{path: a.env, format: raw}]}}\n",
            &[("a.env", "A=\"a\"\nB=$C\nD='d'\n")],
        ),
        RefusedByReference("the library leaves the format `raw` to the command line around it"),
    ),
    but(
        same(
            "variables in an environment file",
            "services: {web: {image: i, env_file: a.env}}\n",
            &[("a.env", "A=x\nB=${A}\n")],
        ),
        Differs(
            "nothing is interpolated in environment files, as in the existing command line",
            "/services/web/environment/B",
            "\"${A}\"",
        ),
    ),
    but(
        same("a comment behind a value", "services: {web: {image: i, env_file: a.env}}\n", &[("a.env", "A=x # y\n")]),
        Differs(
            "an unquoted value is kept as it is, as in the existing command line",
            "/services/web/environment/A",
            "\"x # y\"",
        ),
    ),
    same("environment in YAML", "services: {web: {image: i, env_file: a.yml}}\n", &[("a.yml", "A: x\nB: 5\n")]),
    but(
        same(
            "environment in JSON",
            "services: {web: {image: i, env_file: a.json}}\n",
            &[("a.json", "{\"A\": \"x\"}\n")],
        ),
        RefusedByReference("YAML and JSON files are read as such, as in the existing command line"),
    ),
    refused("an environment file that is not there", "services: {a: {image: i, env_file: none.env}}\n"),
    // One service from another.
    same(
        "extends",
        "services:
  base:
    image: base
    command: [a, b]
    environment: [A=base, B=base]
    cap_add: [CHOWN]
    ports: [\"80:80\"]
    volumes: [\"db:/db\", \"./a:/a\"]
    healthcheck: {test: [CMD, base], interval: 7s}
    labels: {l: base, m: base}
    tty: true
  web:
    extends: base
    image: web
    command: [c]
    environment: {B: web, C: web}
    cap_add: [KILL]
    ports: !override [\"81:81\"]
    volumes: [\"./b:/a\"]
    healthcheck: {test: [CMD, web]}
    tty: false
    labels: [m=base]
volumes: {db: }
",
        &[],
    ),
    same(
        "extends over files and folders",
        "services:
  web:
    extends: {file: lib/base.yml, service: middle}
    environment: {W: w}
",
        &[
            (
                "lib/base.yml",
                "services:
  middle: {extends: bottom, command: [m], environment: {M: m}}
  bottom: {image: i, environment: {B: b, M: b}, env_file: own.env}
",
            ),
            ("lib/own.env", "OWN=o\n"),
        ],
    ),
    refused("extends in a circle", "services: {a: {image: i, extends: b}, b: {image: i, extends: a}}\n"),
    refused("extends of nothing", "services: {a: {image: i, extends: ghost}}\n"),
    // Files that are included.
    same(
        "include",
        "include:
  - inc.yml
  - {path: sub/compose.yml, env_file: sub/other.env}
services: {web: {image: i, depends_on: [one]}}
",
        &[
            ("inc.yml", "services: {one: {image: \"i:${TAG:-none}\"}}\nvolumes: {db: }\n"),
            ("sub/compose.yml", "services: {two: {image: \"i:${TAG}\", env_file: two.env}}\n"),
            ("sub/other.env", "TAG=other\n"),
            ("sub/two.env", "TWO=2\n"),
        ],
    ),
    same(
        "include with variables of both",
        "include: [sub/compose.yml]\nservices: {web: {image: \"i:${OUTER}\"}}\n",
        &[
            (".env", "OUTER=outer\nBOTH=outer\n"),
            ("sub/.env", "INNER=inner\nBOTH=inner\n"),
            ("sub/compose.yml", "services: {one: {image: \"i:${OUTER}-${INNER}-${BOTH}\"}}\n"),
        ],
    ),
    same(
        "include of a file and what is laid over it",
        "include: [{path: [a.yml, b.yml]}]\n",
        &[
            (
                "a.yml",
                "services:
  web:
    image: a
    command: [a]
    environment: {A: a, B: a, C: a}
    cap_add: [CHOWN]
    expose: [80]
    tty: true
    depends_on: [db]
    healthcheck: {test: [CMD, a], retries: 5}
  db: {image: db}
",
            ),
            (
                "b.yml",
                "services:
  web:
    image: b
    environment: {B: b, C: !reset null}
    cap_add: !override [KILL]
    expose: !reset []
    tty: false
    depends_on: !reset null
    healthcheck: {retries: 6}
",
            ),
        ],
    ),
    same(
        "include in an include",
        "include: [a/a.yml]\n",
        &[
            ("a/a.yml", "include: [b/b.yml]\nservices: {a: {image: i, depends_on: [b]}}\n"),
            ("a/b/b.yml", "services: {b: {image: i, volumes: [\"./x:/x\"]}}\n"),
        ],
    ),
    but(
        same(
            "include of what is there",
            "include: [inc.yml]\nservices: {web: {image: i}}\n",
            &[("inc.yml", "services: {web: {image: j}}\n")],
        ),
        RefusedByUs(
            "the specification makes it an error; the reference lays one over the other of late",
            "is also included",
        ),
    ),
    same(
        "the same from two sides",
        "include: [a.yml, b.yml]\n",
        &[
            ("a.yml", "include: [c.yml]\nservices: {a: {image: i}}\n"),
            ("b.yml", "include: [c.yml]\nservices: {b: {image: i}}\n"),
            ("c.yml", "services: {c: {image: i}}\n"),
        ],
    ),
    but(
        same("a volume that the file does not name", "services: {web: {image: i, volumes: [\"db:/db\"]}}\n", &[]),
        RefusedByReference("the App's volumes decide what exists"),
    ),
    but(
        same("a port of one address", "services: {web: {image: i, ports: [\"127.0.0.1:80:80\"]}}\n", &[]),
        RefusedByUs("an App publishes by its ingress, not on an address of a host", "binds to an address"),
    ),
    but(
        same("a volume without a name", "services: {web: {image: i, volumes: [/data]}}\n", &[]),
        RefusedByUs("it would be lost with the Pod", "a volume without a name"),
    ),
    but(
        same("a command that needs a shell", "services: {web: {image: i, command: \"a | b\"}}\n", &[]),
        RefusedByUs("commands are run without one; the reference hands the character over as a word", "needs a shell"),
    ),
    but(
        same(
            "include in a circle",
            "include: [a.yml]\nservices: {web: {image: i}}\n",
            &[("a.yml", "include: [compose.yml]\n")],
        ),
        Outcome::Refused,
    ),
    refused("include of nothing", "include: [none.yml]\nservices: {web: {image: i}}\n"),
];
