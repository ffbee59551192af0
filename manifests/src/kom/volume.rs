//! `App.spec.volumes`.

use std::collections::BTreeMap;

use super::quantity::{Quantity, QuantityError};
use super::shape::{self, LONGEST_VOLUME};
use super::syntax;
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::model::{DeletionPolicy, DiskClaim, Volume, VolumeKind};
use crate::yaml::Node;
use crate::yaml::fields::{Fields, Findings, suggest};

/// Longest name of a disk or snapshot.
const LONGEST_DISK: u64 = 24;

/// The words of `type`.
const KINDS: [(&str, VolumeKind); 2] = [("disk", VolumeKind::Disk), ("files", VolumeKind::Files)];

/// The words of `deletionPolicy`.
const DELETION: [(&str, DeletionPolicy); 2] = [("Retain", DeletionPolicy::Retain), ("Delete", DeletionPolicy::Delete)];

/// The words of `claim`.
const CLAIMS: [(&str, DiskClaim); 2] = [("keep", DiskClaim::Keep), ("take", DiskClaim::Take)];

/// The App's volumes, each name once.
pub(super) fn volumes(fields: &mut Fields<'_, '_>) -> Vec<Volume> {
    let findings = fields.findings();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut volumes = Vec::new();
    for item in fields.list("volumes") {
        let Some((name, volume)) = volume(item, findings) else { continue };
        if let Some(first) = seen.get(&name.value) {
            let message = format!("there are two volumes `{}`; the first is on line {}", name.value, first.line);
            findings.push(Diagnostic::error("duplicate-name", name.at, message).help("rename one of the two"));
            continue;
        }
        seen.insert(name.value, name.at);
        volumes.extend(volume);
    }
    volumes
}

/// A volume with its name; the name alone when the rest is wrong.
fn volume(item: &Node, findings: &Findings) -> Option<(Spanned<String>, Option<Volume>)> {
    let mut fields = Fields::of(item, "volumes[]", findings)?.shaped(&shape::VOLUME);
    let name = fields.required_string("name").filter(|name| syntax::label("name", name, LONGEST_VOLUME, findings));
    let size = fields.required("size").and_then(|node| size(node, findings));
    let kind = fields.choice("type", &KINDS).map(|kind| kind.value).unwrap_or_default();
    let options = fields.text_map("options");
    let source = fields.string("source").filter(|source| sound_source(source, findings));
    let deletion_policy = fields.choice("deletionPolicy", &DELETION).map(|policy| policy.value).unwrap_or_default();
    let claim = fields.choice("claim", &CLAIMS).map(|claim| claim.value).unwrap_or_default();
    fields.finish();
    let name = name?;
    let at = item.span.clone();
    let volume = size.map(|size| Volume {
        name: name.value.clone(),
        size,
        kind,
        options,
        // Written out, an empty source says what no source says.
        source: source.filter(|source| !source.value.is_empty()),
        deletion_policy,
        claim,
        at,
    });
    Some((name, volume))
}

/// A size in bytes, above zero.
fn size(node: &Node, findings: &Findings) -> Option<u64> {
    let Some(text) = node.written() else {
        return crate::yaml::fields::wrong_type(node, "size", "a size", findings);
    };
    let refuse = |message: String, help: &str| {
        findings.push(Diagnostic::error("bad-size", node.span.clone(), message).help(help));
        None
    };
    let quantity: Quantity = match text.parse() {
        Ok(quantity) => quantity,
        Err(error) => {
            let trimmed = text.trim_end_matches(['b', 'B']);
            let meant = suggest(trimmed.trim_start_matches(|first: char| !first.is_alphabetic()), ["Mi", "Gi", "Ti"]);
            let help = match meant.filter(|_| error == QuantityError::Shape) {
                Some(unit) => format!("did you mean the unit `{unit}`?"),
                None => "write it like `10Gi`".to_owned(),
            };
            return refuse(format!("the size `{text}` {error}"), &help);
        }
    };
    match quantity.units() {
        Some(bytes) if bytes > 0 && quantity.is_whole() => Some(bytes),
        Some(bytes) if bytes > 0 => refuse(
            format!("the size `{text}` is no whole number of bytes"),
            "write it like `10Gi`; `m` means thousandths",
        ),
        _ => refuse(format!("the size `{text}` is not above zero"), "write it like `10Gi`"),
    }
}

/// Checks the names in `disk:` and `snapshot:`; anything else is a bare snapshot or the provider's own.
fn sound_source(source: &Spanned<String>, findings: &Findings) -> bool {
    let Some((scheme @ ("disk" | "snapshot" | "existing"), name)) = source.value.split_once(':') else { return true };
    let at = source.at.clone();
    let message = match (scheme, name.split_once('@')) {
        ("existing", _) if name.is_empty() => "`existing:` needs the provider's identifier of the disk".to_owned(),
        ("existing", _) => return true,
        ("snapshot", Some(("latest", instant))) => {
            if looks_like_instant(instant) {
                return true;
            }
            format!("`{instant}` is not a point in time")
        }
        _ => return syntax::label("source", &Spanned::new(name.to_owned(), at), LONGEST_DISK, findings),
    };
    let help = "write `disk:<name>`, `snapshot:<name>`, `snapshot:latest`, `snapshot:latest@2026-11-20T03:00:00Z` or `existing:<id>`";
    findings.push(Diagnostic::error("bad-source", at, message).help(help));
    false
}

/// Whether a text has the shape of an RFC 3339 instant.
fn looks_like_instant(text: &str) -> bool {
    let shape = |pattern: &str, text: &str| {
        pattern.len() == text.len()
            && pattern.bytes().zip(text.bytes()).all(|(wanted, found)| match wanted {
                b'0' => found.is_ascii_digit(),
                b'+' => matches!(found, b'+' | b'-'),
                _ => wanted == found.to_ascii_uppercase(),
            })
    };
    let Some((seconds, rest)) = text.split_at_checked("2026-11-20T03:00:00".len()) else { return false };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    shape("0000-00-00T00:00:00", seconds) && (shape("Z", zone) || shape("+00:00", zone))
}
