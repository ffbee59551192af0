use super::*;

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";

fn data(text: &str) -> Packet {
    Packet::Data(text.as_bytes().to_vec())
}

fn oid(hex: &str) -> Oid {
    Oid::from_str(hex).unwrap()
}

fn v0_server(refs: &[String]) -> V0 {
    let capabilities = "\0multi_ack side-band-64k ofs-delta object-format=sha1 agent=git/2";
    let mut packets = vec![data("# service=git-upload-pack\n"), Packet::Flush];
    for (number, reference) in refs.iter().enumerate() {
        packets.push(data(&format!("{reference}{}\n", if number == 0 { capabilities } else { "" })));
    }
    packets.push(Packet::Flush);
    match advertisement(&packets).unwrap() {
        Advertisement::V0(server) => server,
        Advertisement::V2 => panic!("taken for version 2"),
    }
}

#[test]
fn version_2_is_recognised_with_and_without_banner() {
    let plain = [data("version 2\n"), data("ls-refs=unborn\n"), data("object-format=sha1\n"), Packet::Flush];
    assert!(matches!(advertisement(&plain).unwrap(), Advertisement::V2));
    let mut banner = vec![data("# service=git-upload-pack\n"), Packet::Flush];
    banner.extend(plain);
    assert!(matches!(advertisement(&banner).unwrap(), Advertisement::V2));
}

#[test]
fn version_0_lists_branches_and_peeled_tags() {
    let refs = [
        format!("{ONE} HEAD"),
        format!("{ONE} refs/heads/main"),
        format!("{ONE} refs/heads/main2"),
        format!("{TWO} refs/tags/v1"),
        format!("{ONE} refs/tags/v1^{{}}"),
    ];
    let server = v0_server(&refs);
    assert_eq!(server.find(&Reference::Default).unwrap(), Tip::commit(oid(ONE)));
    assert_eq!(server.find(&Reference::Branch("main".into())).unwrap(), Tip::commit(oid(ONE)));
    let tag = server.find(&Reference::Tag("v1".into())).unwrap();
    assert_eq!(tag, Tip { object: oid(TWO), commit: oid(ONE) });
    let missing = server.find(&Reference::Branch("mai".into())).unwrap_err();
    assert_eq!((missing.code, missing.message.as_str()), ("unknown-ref", "the repository has no branch `mai`"));
    assert_eq!(server.find(&Reference::Commit(ONE.into())).unwrap(), Tip::commit(oid(ONE)));
    let hidden = server.find(&Reference::Commit("3".repeat(40))).unwrap_err();
    assert_eq!(hidden.help.as_deref(), Some("name a branch or tag in `ref`"));
}

#[test]
fn an_empty_repository_says_so() {
    let server = v0_server(&[format!("{} capabilities^{{}}", "0".repeat(40))]);
    assert_eq!(server.find(&Reference::Default).unwrap_err().message, "the repository is empty");
    let empty = ls_refs_answer(&[Packet::Flush], &Reference::Default).unwrap_err();
    assert_eq!(empty.message, "the repository is empty");
}

#[test]
fn ls_refs_needs_the_exact_name() {
    let packets = [
        data(&format!("{TWO} refs/heads/main-old\n")),
        data(&format!("{ONE} refs/heads/main\n")),
        data(&format!("{TWO} refs/tags/v1 peeled:{ONE}\n")),
        Packet::Flush,
    ];
    let find = |reference| ls_refs_answer(&packets, &reference);
    assert_eq!(find(Reference::Branch("main".into())).unwrap(), Tip::commit(oid(ONE)));
    assert_eq!(find(Reference::Tag("v1".into())).unwrap(), Tip { object: oid(TWO), commit: oid(ONE) });
    assert!(find(Reference::Tag("v2".into())).is_err());
}

#[test]
fn sha256_repositories_and_servers_from_before_2008_are_named() {
    let packets = [data("version 2\n"), data("object-format=sha256\n"), Packet::Flush];
    assert_eq!(advertisement(&packets).unwrap_err().code, "object-format");
    let old = [data(&format!("{ONE} HEAD\0ofs-delta\n")), Packet::Flush];
    assert!(advertisement(&old).unwrap_err().message.contains("too old"));
}

#[test]
fn other_answers_are_no_git_server() {
    let cases: [&[Packet]; 6] = [
        &[],
        &[Packet::Flush],
        &[data("hello")],
        &[data("zzz refs/heads/main\0side-band-64k")],
        &[Packet::Data(vec![0xff, b' ', b'x'])],
        &[data(&format!("{ONE} HEAD\0side-band-64k\n")), data(&format!("{ONE} a\0b\n"))],
    ];
    for packets in cases {
        let code = advertisement(packets).unwrap_err().code;
        assert_eq!(code, "git-protocol", "{packets:?}");
    }
}

#[test]
fn complaints_of_the_server_are_passed_on_without_control_characters() {
    let packets = [data("ERR access denied\u{1b}[31m or repository not exported\n")];
    let fault = advertisement(&packets).unwrap_err();
    assert_eq!(fault.message, "the Git server says: access denied [31m or repository not exported");
    let long = Packet::Data([&b"\x03"[..], &[b'x'; 5000]].concat());
    assert!(PackAnswer::default().step(&long).unwrap_err().message.len() < 300);
}

#[test]
fn a_pack_is_followed_in_both_versions() {
    let pack = Packet::Data(b"\x01PACK".to_vec());
    let progress = Packet::Data(b"\x02Counting".to_vec());
    for first in [data("packfile\n"), data("NAK\n"), data(&format!("ACK {ONE}\n"))] {
        let mut answer = PackAnswer::default();
        assert_eq!(answer.step(&first).unwrap(), Step::Skip);
        assert_eq!(answer.step(&progress).unwrap(), Step::Skip);
        assert_eq!(answer.step(&pack).unwrap(), Step::Pack(b"PACK"));
        assert_eq!(answer.step(&Packet::Flush).unwrap(), Step::Done);
    }
    assert!(PackAnswer::default().step(&Packet::Flush).is_err());
    assert!(PackAnswer::default().step(&data("")).is_err());
}

#[test]
fn requests_say_what_is_wanted_and_what_is_there() {
    let tip = Tip { object: oid(TWO), commit: oid(ONE) };
    let text = String::from_utf8(fetch_request(tip, &[oid(ONE)])).unwrap();
    assert!(text.contains(&format!("0032want {TWO}\n0032have {ONE}\n0009done\n0000")), "{text}");
    let server = v0_server(&[format!("{ONE} HEAD")]);
    let text = String::from_utf8(fetch_request_v0(&server, tip, &[oid(ONE)])).unwrap();
    let wanted = format!("want {TWO} side-band-64k ofs-delta agent=");
    assert!(text[4..].starts_with(&wanted), "{text}");
    assert!(text.ends_with(&format!("\n00000032have {ONE}\n0009done\n")), "{text}");
    let text = String::from_utf8(ls_refs_request(&Reference::Tag("v1".into()))).unwrap();
    assert!(text.ends_with("0001001bref-prefix refs/tags/v1\n0000") || text.contains("ref-prefix refs/tags/v1\n0000"));
}
