//! A deserializer of structs that ignores unknown fields without a value, as if they were absent.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

/// Deserializes a struct from `D`. An unknown field whose value is the default of `U` is ignored; others reach the struct.
pub(crate) struct IgnoreUnset<D, U>(D, PhantomData<U>);

impl<D, U> IgnoreUnset<D, U> {
    pub(crate) fn new(input: D) -> Self {
        Self(input, PhantomData)
    }
}

/// A name, copied only if it contains escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl<'de, D, U> Deserializer<'de> for IgnoreUnset<D, U>
where
    D: Deserializer<'de>,
    U: Deserialize<'de> + Default + PartialEq,
{
    type Error = D::Error;

    fn deserialize_struct<T: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: T,
    ) -> Result<T::Value, D::Error> {
        self.0.deserialize_struct(name, known, StructVisitor { known, visitor, unset: self.1 })
    }

    fn deserialize_any<T: Visitor<'de>>(self, visitor: T) -> Result<T::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct StructVisitor<T, U> {
    known: &'static [&'static str],
    visitor: T,
    unset: PhantomData<U>,
}

impl<'de, T, U> Visitor<'de> for StructVisitor<T, U>
where
    T: Visitor<'de>,
    U: Deserialize<'de> + Default + PartialEq,
{
    type Value = T::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<M: MapAccess<'de>>(self, entries: M) -> Result<T::Value, M::Error> {
        self.visitor.visit_map(Fields { known: self.known, entries, is_read: false, unset: self.unset })
    }
}

struct Fields<M, U> {
    known: &'static [&'static str],
    entries: M,
    /// Whether the value of the current field has been read already.
    is_read: bool,
    unset: PhantomData<U>,
}

impl<'de, M, U> MapAccess<'de> for Fields<M, U>
where
    M: MapAccess<'de>,
    U: Deserialize<'de> + Default + PartialEq,
{
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, M::Error> {
        while let Some(Name(name)) = self.entries.next_key()? {
            self.is_read = !self.known.contains(&name.as_ref());
            if !self.is_read || self.entries.next_value::<U>()? != U::default() {
                return seed.deserialize(name.into_deserializer()).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, M::Error> {
        // A struct does not look at the value of an unknown field.
        if self.is_read { seed.deserialize(().into_deserializer()) } else { self.entries.next_value_seed(seed) }
    }
}
