//! Writing protobuf messages into one buffer.
//!
//! Ten thousand histograms are encoded at every scrape. Messages as structs would first copy every label into a `String` of
//! its own; here the fields go straight into the buffer. What is written is read back in the tests by messages that are
//! declared with the official field numbers, and by the official readers.

/// A growing protobuf message. Fields are written in the order of the calls; a field's number comes first.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    bytes: Vec<u8>,
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;

impl Wire {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn key(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    /// A bare varint, seven bits to a byte from the lowest.
    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// `uint64`, `uint32`, `bool`, enums, and `int64` of a value that is not negative.
    pub(crate) fn uint(&mut self, field: u32, value: u64) {
        self.key(field, VARINT);
        self.varint(value);
    }

    /// `sint32` and `sint64`.
    pub(crate) fn sint(&mut self, field: u32, value: i64) {
        self.key(field, VARINT);
        self.varint(zigzag(value));
    }

    /// `double`.
    pub(crate) fn double(&mut self, field: u32, value: f64) {
        self.fixed(field, value.to_bits());
    }

    /// `fixed64` and `sfixed64`.
    pub(crate) fn fixed(&mut self, field: u32, value: u64) {
        self.key(field, FIXED64);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// `string` and `bytes`.
    pub(crate) fn text(&mut self, field: u32, value: &str) {
        self.key(field, LENGTH);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// A message inside this one.
    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.key(field, LENGTH);
        self.delimited(write);
    }

    /// `repeated sint64`, packed. Readers of messages that say nothing of packing must take both forms.
    pub(crate) fn packed_sints(&mut self, field: u32, values: &[i64]) {
        if !values.is_empty() {
            self.message(field, |wire| values.iter().for_each(|&value| wire.varint(zigzag(value))));
        }
    }

    /// `repeated uint64`, packed.
    pub(crate) fn packed_uints(&mut self, field: u32, values: &[u64]) {
        if !values.is_empty() {
            self.message(field, |wire| values.iter().for_each(|&value| wire.varint(value)));
        }
    }

    /// A message with its length in front and without a key, as in a stream of messages.
    ///
    /// The length is only known afterwards. Room for one byte is left, since most messages are short; a longer one is moved.
    pub(crate) fn delimited(&mut self, write: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        self.bytes.push(0);
        write(self);
        let len = self.bytes.len() - at - 1;
        let extra = varint_len(len as u64) - 1;
        if extra > 0 {
            self.bytes.resize(self.bytes.len() + extra, 0);
            self.bytes.copy_within(at + 1..=at + len, at + 1 + extra);
        }
        let mut rest = len;
        for byte in &mut self.bytes[at..at + extra] {
            *byte = rest as u8 | 0x80;
            rest >>= 7;
        }
        self.bytes[at + extra] = rest as u8;
    }
}

/// Small numbers of either sign in few bits: 0, −1, 1, −2 become 0, 1, 2, 3.
const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

const fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    struct Example {
        #[prost(uint64, tag = "1")]
        uint: u64,
        #[prost(sint64, tag = "2")]
        sint: i64,
        #[prost(double, tag = "3")]
        double: f64,
        #[prost(fixed64, tag = "4")]
        fixed: u64,
        #[prost(string, tag = "300")]
        text: String,
        #[prost(message, optional, boxed, tag = "6")]
        inner: Option<Box<Example>>,
        #[prost(sint64, repeated, packed = "false", tag = "7")]
        packed: Vec<i64>,
        #[prost(uint64, repeated, tag = "9")]
        uints: Vec<u64>,
    }

    fn write(wire: &mut Wire, example: &Example) {
        wire.uint(1, example.uint);
        wire.sint(2, example.sint);
        wire.double(3, example.double);
        wire.fixed(4, example.fixed);
        wire.text(300, &example.text);
        if let Some(inner) = &example.inner {
            wire.message(6, |wire| write(wire, inner));
        }
        wire.packed_sints(7, &example.packed);
        wire.packed_uints(9, &example.uints);
    }

    prop_compose! {
        fn example()(
            uint in any::<u64>(), sint in any::<i64>(), double in -1e300..1e300_f64, fixed in any::<u64>(),
            text in ".{0,300}", packed in prop::collection::vec(any::<i64>(), 0..40),
            uints in prop::collection::vec(any::<u64>(), 0..20),
        ) -> Example {
            Example { uint, sint, double, fixed, text, inner: None, packed, uints }
        }
    }

    proptest! {
        #[test]
        fn another_reader_reads_the_same(parts in prop::collection::vec(example(), 1..4)) {
            let nested = parts.into_iter().reduce(|inner, mut outer| {
                outer.inner = Some(Box::new(inner));
                outer
            });
            let nested = nested.unwrap();
            let mut wire = Wire::default();
            wire.delimited(|wire| write(wire, &nested));
            prop_assert_eq!(Example::decode_length_delimited(&*wire.into_bytes()).unwrap(), nested);
        }
    }

    #[test]
    fn lengths_at_every_edge_of_a_varint() {
        for len in [0, 1, 126, 127, 128, 129, 16_383, 16_384, 16_385, 2_097_151, 2_097_152, 2_097_153] {
            let mut wire = Wire::default();
            wire.message(300, |wire| wire.bytes.resize(wire.bytes.len() + len, b'x'));
            assert_eq!(Example::decode(&*wire.into_bytes()).unwrap().text.len(), len);
        }
    }
}
