//! Git's wire protocol, versions 0 and 2, as far as fetching one commit needs it. Pure: requests out, answers in.
//!
//! Negotiation takes one round: the commits that we have are named together with `done`, and the server leaves out
//! what they reach. Nothing is ever sent that a server could not answer without keeping state.

use git2::Oid;

use super::pktline::{Packet, delimiter, flush, line};
use crate::config::Reference;
use crate::fault::Fault;

/// How the agent introduces itself, in the form that Git servers expect.
pub(super) const USER_AGENT: &str = concat!("git/2.0 (kompox-agent ", env!("CARGO_PKG_VERSION"), ")");
const AGENT: &str = concat!("agent=kompox-agent/", env!("CARGO_PKG_VERSION"));
/// Longest text of a server that is passed on to people, in characters.
const MAX_SERVER_TEXT: usize = 200;

/// What a server says first.
#[derive(Debug)]
pub(super) enum Advertisement {
    /// Version 2: references are asked for with [`ls_refs_request`].
    V2,
    /// Version 0: all references at once.
    V0(V0),
}

/// References and capabilities of a server that speaks version 0.
#[derive(Debug, Default)]
pub(super) struct V0 {
    refs: Vec<Ref>,
    capabilities: Vec<String>,
}

/// A reference of the repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ref {
    name: String,
    id: Oid,
    /// What an annotated tag points at.
    peeled: Option<Oid>,
}

/// The object to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    /// What is asked for: a commit or an annotated tag.
    pub(super) object: Oid,
    /// The commit, where the server says it (it does for annotated tags).
    pub(super) commit: Oid,
}

impl Tip {
    /// A commit that is asked for by its own hash.
    pub(super) fn commit(id: Oid) -> Self {
        Self { object: id, commit: id }
    }
}

/// Reads the answer to `GET …/info/refs?service=git-upload-pack`.
pub(super) fn advertisement(packets: &[Packet]) -> Result<Advertisement, Fault> {
    // Servers that speak version 0 put a banner and a flush in front; some do so for version 2 as well.
    let packets = match packets {
        [Packet::Data(banner), Packet::Flush, rest @ ..] if banner.starts_with(b"# service=") => rest,
        all => all,
    };
    check_error(packets.first())?;
    match packets.first() {
        Some(Packet::Data(first)) if first.trim_ascii_end() == b"version 2" => {
            for packet in packets {
                if let Packet::Data(data) = packet {
                    check_object_format(data.trim_ascii_end().strip_prefix(b"object-format="))?;
                }
            }
            Ok(Advertisement::V2)
        }
        Some(Packet::Data(_)) => v0(packets).map(Advertisement::V0),
        _ => Err(no_git_server()),
    }
}

fn v0(packets: &[Packet]) -> Result<V0, Fault> {
    let mut server = V0::default();
    for (number, packet) in packets.iter().enumerate() {
        let Packet::Data(data) = packet else { break };
        let text = std::str::from_utf8(data).map_err(|_| no_git_server())?;
        let text = match text.split_once('\0') {
            Some((reference, capabilities)) if number == 0 => {
                server.capabilities = capabilities.split_whitespace().map(str::to_owned).collect();
                reference
            }
            Some(_) => return Err(no_git_server()),
            None => text,
        };
        let (id, name) = text.trim_end().split_once(' ').ok_or_else(no_git_server)?;
        if id == "shallow" {
            continue;
        }
        let id = Oid::from_str(id).map_err(|_| no_git_server())?;
        match name.strip_suffix("^{}") {
            // An empty repository has this one line, to carry the capabilities.
            Some("capabilities") => {}
            Some(tag) => {
                if let Some(reference) = server.refs.last_mut().filter(|reference| reference.name == tag) {
                    reference.peeled = Some(id);
                }
            }
            None => server.refs.push(Ref { name: name.to_owned(), id, peeled: None }),
        }
    }
    let format = server.capabilities.iter().find_map(|capability| capability.strip_prefix("object-format="));
    check_object_format(format.map(str::as_bytes))?;
    if !server.has("side-band-64k") {
        return Err(Fault::stalled("git-protocol", "the Git server is too old: it lacks `side-band-64k`"));
    }
    Ok(server)
}

impl V0 {
    fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|has| has == capability)
    }

    /// Finds the wanted reference.
    pub(super) fn find(&self, wanted: &Reference) -> Result<Tip, Fault> {
        if let Reference::Commit(id) = wanted {
            let id = parse_id(id)?;
            let advertised = self.refs.iter().any(|reference| reference.id == id);
            if advertised || self.has("allow-reachable-sha1-in-want") || self.has("allow-any-sha1-in-want") {
                return Ok(Tip::commit(id));
            }
            let message = "the Git server gives out commits only by branch or tag";
            return Err(Fault::stalled("git-protocol", message).help("name a branch or tag in `ref`"));
        }
        find(&self.refs, wanted)
    }
}

/// Asks a version 2 server for the references that may be meant.
pub(super) fn ls_refs_request(wanted: &Reference) -> Vec<u8> {
    let mut request = Vec::new();
    line(&mut request, "command=ls-refs\n");
    line(&mut request, AGENT);
    line(&mut request, "object-format=sha1");
    delimiter(&mut request);
    line(&mut request, "peel\n");
    line(&mut request, &format!("ref-prefix {}\n", full_name(wanted)));
    flush(&mut request);
    request
}

/// Reads the answer to [`ls_refs_request`].
pub(super) fn ls_refs_answer(packets: &[Packet], wanted: &Reference) -> Result<Tip, Fault> {
    let mut refs = Vec::new();
    check_error(packets.first())?;
    for packet in packets {
        let data = match packet {
            Packet::Data(data) => data,
            Packet::Flush | Packet::End => break,
            Packet::Delimiter => return Err(no_git_server()),
        };
        let text = std::str::from_utf8(data).map_err(|_| no_git_server())?;
        let mut words = text.trim_end().split(' ');
        let (Some(id), Some(name)) = (words.next(), words.next()) else { return Err(no_git_server()) };
        let id = Oid::from_str(id).map_err(|_| no_git_server())?;
        let peeled = match words.find_map(|word| word.strip_prefix("peeled:")) {
            Some(id) => Some(Oid::from_str(id).map_err(|_| no_git_server())?),
            None => None,
        };
        refs.push(Ref { name: name.to_owned(), id, peeled });
    }
    find(&refs, wanted)
}

/// Asks a version 2 server for everything that the tip reaches and `have` does not.
pub(super) fn fetch_request(tip: Tip, have: &[Oid]) -> Vec<u8> {
    let mut request = Vec::new();
    line(&mut request, "command=fetch");
    line(&mut request, AGENT);
    line(&mut request, "object-format=sha1");
    delimiter(&mut request);
    line(&mut request, "ofs-delta\n");
    line(&mut request, "no-progress\n");
    line(&mut request, &format!("want {}\n", tip.object));
    for id in have {
        line(&mut request, &format!("have {id}\n"));
    }
    line(&mut request, "done\n");
    flush(&mut request);
    request
}

/// The same for a version 0 server.
pub(super) fn fetch_request_v0(server: &V0, tip: Tip, have: &[Oid]) -> Vec<u8> {
    let offered = ["side-band-64k", "ofs-delta", "no-progress"].into_iter().filter(|capability| server.has(capability));
    let capabilities = offered.chain([AGENT]).collect::<Vec<_>>().join(" ");
    let mut request = Vec::new();
    line(&mut request, &format!("want {} {capabilities}\n", tip.object));
    flush(&mut request);
    for id in have {
        line(&mut request, &format!("have {id}\n"));
    }
    line(&mut request, "done\n");
    request
}

/// What to do with a packet of the answer to a fetch request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Nothing.
    Skip,
    /// Bytes of the pack.
    Pack(&'a [u8]),
    /// The pack is complete.
    Done,
}

/// Follows the answer to a fetch request, of either version.
#[derive(Default)]
pub(super) struct PackAnswer {
    /// Whether the pack has begun; acknowledgements and section names stand before it.
    begun: bool,
}

impl PackAnswer {
    /// Takes the next packet.
    pub(super) fn step<'a>(&mut self, packet: &'a Packet) -> Result<Step<'a>, Fault> {
        let data = match packet {
            Packet::Data(data) => data,
            Packet::Flush if self.begun => return Ok(Step::Done),
            Packet::Flush | Packet::End => return Err(no_git_server()),
            Packet::Delimiter => return Ok(Step::Skip),
        };
        if !self.begun {
            check_error(Some(packet))?;
            if data.starts_with(b"NAK") || data.starts_with(b"ACK ") {
                return Ok(Step::Skip);
            }
            if data.trim_ascii_end() == b"packfile" {
                self.begun = true;
                return Ok(Step::Skip);
            }
        }
        match data.split_first() {
            Some((1, pack)) => {
                self.begun = true;
                Ok(Step::Pack(pack))
            }
            Some((2, _progress)) => Ok(Step::Skip),
            Some((3, message)) => Err(server_says(message)),
            _ => Err(no_git_server()),
        }
    }
}

fn find(refs: &[Ref], wanted: &Reference) -> Result<Tip, Fault> {
    if let Reference::Commit(id) = wanted {
        return Ok(Tip::commit(parse_id(id)?));
    }
    let name = full_name(wanted);
    match refs.iter().find(|reference| reference.name == name) {
        Some(reference) => Ok(Tip { object: reference.id, commit: reference.peeled.unwrap_or(reference.id) }),
        None if *wanted == Reference::Default => Err(unknown_reference("the repository is empty")
            .help("push a first commit, or name an existing branch in `ref`")),
        None => {
            Err(unknown_reference(&format!("the repository has no {wanted}"))
                .help("push it, or name another one in `ref`"))
        }
    }
}

/// The error for a reference that does not exist.
pub(super) fn unknown_reference(message: &str) -> Fault {
    Fault::stalled("unknown-ref", message)
}

/// The error for a reference that leads to something else.
pub(super) fn no_commit(reference: &Reference) -> Fault {
    unknown_reference(&format!("{reference} does not lead to a commit")).help("name another one in `ref`")
}

/// The full name of a reference.
pub(super) fn full_name(reference: &Reference) -> String {
    match reference {
        Reference::Default => "HEAD".to_owned(),
        Reference::Branch(name) => format!("refs/heads/{name}"),
        Reference::Tag(name) => format!("refs/tags/{name}"),
        Reference::Commit(id) => id.clone(),
    }
}

/// A full hash. The configuration has checked it already.
pub(super) fn parse_id(id: &str) -> Result<Oid, Fault> {
    Oid::from_str(id).map_err(|_| unknown_reference(&format!("`{}` is no hash of a commit", id.escape_debug())))
}

fn check_object_format(format: Option<&[u8]>) -> Result<(), Fault> {
    match format {
        None | Some(b"sha1") => Ok(()),
        Some(_) => Err(Fault::stalled("object-format", "repositories with SHA-256 hashes are not supported")),
    }
}

fn check_error(packet: Option<&Packet>) -> Result<(), Fault> {
    match packet {
        Some(Packet::Data(data)) => match data.strip_prefix(b"ERR ") {
            Some(message) => Err(server_says(message)),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// A complaint of the server. Whether it passes cannot be known; trying again is the safer guess.
fn server_says(message: &[u8]) -> Fault {
    let text = String::from_utf8_lossy(message);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SERVER_TEXT).collect();
    Fault::retry("git-server", format!("the Git server says: {}", line.trim()))
}

/// The error for an answer that does not follow the protocol.
pub(super) fn no_git_server() -> Fault {
    Fault::stalled("git-protocol", "the answer does not come from a Git server")
        .help("check the URL: it is the one that `git clone` takes")
}

#[cfg(test)]
mod tests;
