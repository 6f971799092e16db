//! Rows to Arrow columns: a table is a list of named, typed columns filled row by row.

use std::net::IpAddr;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder,
    StringDictionaryBuilder, TimestampNanosecondBuilder, UInt8Builder, UInt16Builder,
    UInt32Builder, UInt64Builder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema};

use crate::text::push_decimal;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// Signed, 64 bits.
    I64,
    /// Double precision.
    F64,
    /// Truth.
    Bool,
    /// Nanoseconds since 1970-01-01 UTC.
    Time,
    /// Text with mostly different values.
    Text,
    /// Text with few different values.
    Word,
    /// Bytes.
    Bytes,
}

enum Column {
    U8(UInt8Builder),
    U16(UInt16Builder),
    U32(UInt32Builder),
    U64(UInt64Builder),
    I64(Int64Builder),
    F64(Float64Builder),
    Bool(BooleanBuilder),
    Time(TimestampNanosecondBuilder),
    Text(StringBuilder),
    Word(StringDictionaryBuilder<Int32Type>),
    Bytes(BinaryBuilder),
}

impl Column {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::U8 => Self::U8(UInt8Builder::new()),
            Kind::U16 => Self::U16(UInt16Builder::new()),
            Kind::U32 => Self::U32(UInt32Builder::new()),
            Kind::U64 => Self::U64(UInt64Builder::new()),
            Kind::I64 => Self::I64(Int64Builder::new()),
            Kind::F64 => Self::F64(Float64Builder::new()),
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::Time => {
                Self::Time(TimestampNanosecondBuilder::new().with_timezone(Arc::from("UTC")))
            }
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Word => Self::Word(StringDictionaryBuilder::new()),
            Kind::Bytes => Self::Bytes(BinaryBuilder::new()),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        let builder: &mut dyn ArrayBuilder = match self {
            Self::U8(b) => b,
            Self::U16(b) => b,
            Self::U32(b) => b,
            Self::U64(b) => b,
            Self::I64(b) => b,
            Self::F64(b) => b,
            Self::Bool(b) => b,
            Self::Time(b) => b,
            Self::Text(b) => b,
            Self::Word(b) => b,
            Self::Bytes(b) => b,
        };
        builder.finish()
    }
}

/// A table being filled.
pub struct Columns {
    names: Vec<&'static str>,
    columns: Vec<Column>,
    rows: usize,
    rows_max: usize,
    dropped: u64,
}

impl Columns {
    /// An empty table that takes at most `rows_max` rows.
    #[must_use]
    pub fn new(schema: &[(&'static str, Kind)], rows_max: usize) -> Self {
        Self {
            names: schema.iter().map(|(name, _)| *name).collect(),
            columns: schema.iter().map(|(_, kind)| Column::new(*kind)).collect(),
            rows: 0,
            rows_max,
            dropped: 0,
        }
    }

    /// Rows that found no room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Begins a row; its values follow in the schema's order. `None` when the table is full.
    #[inline]
    pub fn row(&mut self) -> Option<Row<'_>> {
        if self.rows >= self.rows_max {
            self.dropped += 1;
            return None;
        }
        self.rows += 1;
        Some(Row { columns: self.columns.iter_mut() })
    }

    /// The table as one batch; it is empty again after.
    ///
    /// # Errors
    ///
    /// If a row did not fill its columns in order: a mistake of this crate, caught by its tests.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let arrays: Vec<ArrayRef> = self.columns.iter_mut().map(Column::finish).collect();
        let fields: Vec<Field> = self
            .names
            .iter()
            .zip(&arrays)
            .map(|(name, array)| {
                let data_type: DataType = array.data_type().clone();
                Field::new(*name, data_type, false)
            })
            .collect();
        self.rows = 0;
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
    }
}

/// The row being written: each call fills the next column.
pub struct Row<'c> {
    columns: std::slice::IterMut<'c, Column>,
}

macro_rules! fill {
    ($name:ident, $kind:ident, $value:ty, $doc:literal) => {
        #[doc = $doc]
        #[inline]
        pub fn $name(&mut self, value: $value) -> &mut Self {
            let column = self.columns.next();
            debug_assert!(matches!(column, Some(Column::$kind(_))), "wrong column type");
            if let Some(Column::$kind(builder)) = column {
                builder.append_value(value);
            }
            self
        }
    };
}

impl Row<'_> {
    fill!(u8, U8, u8, "Fills an 8-bit column.");
    fill!(u16, U16, u16, "Fills a 16-bit column.");
    fill!(u32, U32, u32, "Fills a 32-bit column.");
    fill!(u64, U64, u64, "Fills a 64-bit column.");
    fill!(i64, I64, i64, "Fills a signed column.");
    fill!(f64, F64, f64, "Fills a column of doubles.");
    fill!(bool, Bool, bool, "Fills a column of truths.");
    fill!(time, Time, i64, "Fills a column of times.");
    fill!(text, Text, &str, "Fills a text column.");
    fill!(word, Word, &str, "Fills a column of few different texts.");
    fill!(bytes, Bytes, &[u8], "Fills a column of bytes.");

    /// Fills a column of few different texts with an address.
    pub fn address(&mut self, value: IpAddr) -> &mut Self {
        let IpAddr::V4(v4) = value else { return self.word(&value.to_string()) };
        let mut text = String::with_capacity("255.255.255.255".len());
        for octet in v4.octets() {
            if !text.is_empty() {
                text.push('.');
            }
            push_decimal(&mut text, u16::from(octet));
        }
        self.word(&text)
    }
}
