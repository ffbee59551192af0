//! The framing of Git's wire protocol: lines with a length in front.

/// Longest payload that the protocol allows.
pub(super) const MAX_PAYLOAD: usize = 65_516;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// `0000`: the end of a section or message.
    Flush,
    /// `0001`: the end of a list of capabilities or arguments.
    Delimiter,
    /// `0002`: the end of a whole answer.
    End,
    /// Bytes.
    Data(Vec<u8>),
}

/// Something that is not this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer does not follow Git's protocol")]
pub(super) struct Malformed;

/// Finds packets in bytes that arrive in pieces.
#[derive(Default)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
    read: usize,
}

impl Decoder {
    /// Takes the next bytes. What was read before is forgotten, so no more than one packet and one piece are held.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next packet; `None` when more bytes are needed first.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, Malformed> {
        let rest = &self.buffer[self.read..];
        let Some(header) = rest.first_chunk::<4>() else { return Ok(None) };
        let length = header.iter().try_fold(0_usize, |length, digit| {
            char::from(*digit).to_digit(16).map(|digit| length * 16 + digit as usize).ok_or(Malformed)
        })?;
        let packet = match length {
            0 => Packet::Flush,
            1 => Packet::Delimiter,
            2 => Packet::End,
            3 => return Err(Malformed),
            _ if length > MAX_PAYLOAD + 4 => return Err(Malformed),
            _ => {
                let Some(data) = rest.get(4..length) else { return Ok(None) };
                Packet::Data(data.to_vec())
            }
        };
        self.read += length.max(4);
        Ok(Some(packet))
    }

    /// Whether bytes are left that make no packet: the answer was cut.
    pub(super) fn has_rest(&self) -> bool {
        self.read < self.buffer.len()
    }
}

/// All packets of a complete answer.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Packet>, Malformed> {
    let mut decoder = Decoder::default();
    decoder.push(bytes);
    let mut packets = Vec::new();
    while let Some(packet) = decoder.next()? {
        packets.push(packet);
    }
    if decoder.has_rest() { Err(Malformed) } else { Ok(packets) }
}

/// Appends a line. Only short lines are ever sent.
pub(super) fn line(message: &mut Vec<u8>, text: &str) {
    debug_assert!(text.len() <= MAX_PAYLOAD);
    message.extend_from_slice(format!("{:04x}{text}", text.len() + 4).as_bytes());
}

/// Appends a flush.
pub(super) fn flush(message: &mut Vec<u8>) {
    message.extend_from_slice(b"0000");
}

/// Appends a delimiter.
pub(super) fn delimiter(message: &mut Vec<u8>) {
    message.extend_from_slice(b"0001");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_however_it_is_cut() {
        let mut message = Vec::new();
        line(&mut message, "command=ls-refs\n");
        delimiter(&mut message);
        line(&mut message, "");
        flush(&mut message);
        let whole = decode(&message).unwrap();
        let expected =
            [Packet::Data(b"command=ls-refs\n".to_vec()), Packet::Delimiter, Packet::Data(vec![]), Packet::Flush];
        assert_eq!(whole, expected);
        let mut decoder = Decoder::default();
        let mut pieces = Vec::new();
        for byte in &message {
            decoder.push(std::slice::from_ref(byte));
            pieces.extend(decoder.next().unwrap());
        }
        assert_eq!(pieces, whole);
        assert!(!decoder.has_rest());
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for bytes in [&b"<htm"[..], b"0003", b"ffff", b"fff1", b"-001", b"+005a", b"00 4", b"0005", b"00"] {
            assert_eq!(decode(bytes), Err(Malformed), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn the_longest_packet_is_accepted() {
        let mut message = b"fff0".to_vec();
        message.resize(4 + MAX_PAYLOAD, b'x');
        assert_eq!(decode(&message).unwrap(), [Packet::Data(vec![b'x'; MAX_PAYLOAD])]);
    }
}
