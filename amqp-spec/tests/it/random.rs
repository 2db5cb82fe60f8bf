//! Arguments at random, but the same ones in each run.
//!
//! Fifty lines in place of a dependency: the values need neither shrinking nor distributions, as a
//! failure prints the arguments, and those are small.

use amqp_spec::metadata::FieldInfo;
use amqp_spec::wire::{
    Decimal, FieldArray, FieldTable, LongStr, PropertyKind, ShortStr, Timestamp, Value,
};

use crate::support::Fields;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or_default()
    }

    /// A number of 64 bits, often at a boundary of a smaller type.
    pub fn number(&mut self) -> u64 {
        const EDGES: [u64; 9] = [
            0,
            1,
            0x7f,
            0xff,
            0x7fff,
            0xffff,
            0x7fff_ffff,
            0xffff_ffff,
            u64::MAX,
        ];
        match self.below(2) {
            0 => EDGES
                .get(self.below(EDGES.len()))
                .copied()
                .unwrap_or_default(),
            _ => self.next() >> self.below(64),
        }
    }

    /// Octets: none, few, or as many as there may be; text or not.
    pub fn octets(&mut self, max: usize) -> Vec<u8> {
        let len = [0, 1, self.below(20), max]
            .get(self.below(4))
            .copied()
            .unwrap_or_default();
        let any = self.below(2) == 0;
        let octet = |random: &mut Self| random.next().to_be_bytes().first().copied();
        let octets = (0..len).filter_map(|_| octet(self));
        octets
            .map(|octet| if any { octet } else { b'a' + octet % 26 })
            .collect()
    }

    pub fn table(&mut self, depth: u16) -> FieldTable {
        let mut table = FieldTable::new();
        for _ in 0..self.below(5) {
            let name = self.octets(ShortStr::MAX_LEN);
            let name = ShortStr::new(&name).unwrap_or_default();
            self.with_value(depth, |value| table.push(name, value));
        }
        table
    }

    fn array(&mut self, depth: u16) -> FieldArray {
        let mut array = FieldArray::new();
        for _ in 0..self.below(5) {
            self.with_value(depth, |value| array.push(value));
        }
        array
    }

    fn with_value(&mut self, depth: u16, then: impl FnOnce(Value<'_>)) {
        let number = self.number();
        // The last two of these only where they may be nested deeper.
        let n_kinds = if depth == 0 { 15 } else { 17 };
        match self.below(n_kinds) {
            0 => then(Value::Bool(number % 2 == 0)),
            1 => then(Value::I8(number as i8)),
            2 => then(Value::U8(number as u8)),
            3 => then(Value::I16(number as i16)),
            4 => then(Value::U16(number as u16)),
            5 => then(Value::I32(number as i32)),
            6 => then(Value::U32(number as u32)),
            7 => then(Value::I64(number as i64)),
            8 => then(Value::F32((number as f32) / 8.0)),
            9 => then(Value::F64((number as f64) / -8.0)),
            10 => then(Value::Decimal(Decimal {
                scale: number as u8,
                value: number as i32,
            })),
            11 => then(Value::Timestamp(Timestamp(number))),
            12 => then(Value::Void),
            13 => then(Value::Bytes(&self.octets(300))),
            14 => then(LongStr::new(&self.octets(300)).unwrap_or_default().into()),
            15 => then((&self.array(depth - 1)).into()),
            _ => then((&self.table(depth - 1)).into()),
        }
    }

    /// A value for each field that is not reserved.
    pub fn fields(&mut self, infos: &[FieldInfo]) -> Fields {
        let mut fields = Fields::default();
        for FieldInfo { name, kind, .. } in infos.iter().filter(|info| !info.reserved) {
            let number = self.number();
            match kind {
                PropertyKind::Bit => fields.push_bit(name, number % 2 == 0),
                PropertyKind::Octet => fields.push_octet(name, number as u8),
                PropertyKind::Short => fields.push_short(name, number as u16),
                PropertyKind::Long => fields.push_long(name, number as u32),
                PropertyKind::LongLong => fields.push_long_long(name, number),
                PropertyKind::Timestamp => fields.push_timestamp(name, Timestamp(number)),
                PropertyKind::ShortStr => {
                    let octets = self.octets(ShortStr::MAX_LEN);
                    fields.push_short_str(name, ShortStr::new(&octets).unwrap_or_default());
                }
                PropertyKind::LongStr => {
                    let octets = self.octets(1000);
                    fields.push_long_str(name, LongStr::new(&octets).unwrap_or_default());
                }
                PropertyKind::Table => fields.push_table(name, self.table(3).as_ref()),
            }
        }
        fields
    }
}
