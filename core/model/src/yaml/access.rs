//! What a value holds, handed to serde part by part: items, entries, variants.

use std::sync::Arc;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor, value::StrDeserializer,
};
use serde::forward_to_deserialize_any;

use super::de::Reader;
use super::error::{Fact, quoted};
use super::failure::{Failure, Trail};
use super::tree::{KeyNode, Kind, Node};

/// Whether structs skip the key.
pub(super) fn is_free(key: &str) -> bool {
    key.starts_with("x-")
}

/// The items of a list.
pub(super) struct Items<'a> {
    nodes: &'a [Node],
    next: usize,
    trail: &'a Trail<'a>,
}

impl<'a> Items<'a> {
    pub(super) fn new(nodes: &'a [Node], trail: &'a Trail<'a>) -> Self {
        let next = 0;
        Self { nodes, next, trail }
    }

    /// How many were read.
    pub(super) fn read(&self) -> usize {
        self.next
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let Some(node) = self.nodes.get(self.next) else {
            return Ok(None);
        };
        let trail = &Trail::Index(self.trail, self.next);
        self.next += 1;
        let value = seed.deserialize(Reader { node, trail });
        value
            .map(Some)
            .map_err(|failure| failure.at(node, trail).into())
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.nodes.len() - self.next)
    }
}

/// The entries of a map; `skip`: which keys to leave out.
pub(super) struct Entries<'a> {
    map: Reader<'a>,
    left: &'a [(KeyNode, Node)],
    value: Option<&'a (KeyNode, Node)>,
    skip: &'a dyn Fn(&str) -> bool,
}

impl<'a> Entries<'a> {
    pub(super) fn new(
        map: Reader<'a>,
        left: &'a [(KeyNode, Node)],
        skip: &'a dyn Fn(&str) -> bool,
    ) -> Self {
        let value = None;
        Self {
            map,
            left,
            value,
            skip,
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        while let Some((entry, left)) = self.left.split_first() {
            self.left = left;
            if (self.skip)(&entry.0.text) {
                continue;
            }
            self.value = Some(entry);
            let node = &entry.0.as_node(&self.map.node.file);
            let key = seed.deserialize(KeyReader { node });
            let place = |failure: Failure| failure.at_key(&entry.0, node, self.map.trail);
            return key.map(Some).map_err(|failure| place(failure).into());
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let Some((key, node)) = self.value.take() else {
            return Err(de::Error::custom("value asked for before its key"));
        };
        let trail = &Trail::Key(self.map.trail, &key.text);
        let value = seed.deserialize(Reader { node, trail });
        value.map_err(|failure| failure.at(node, trail).into())
    }
}

impl KeyNode {
    fn as_node(&self, file: &Arc<str>) -> Node {
        Node {
            mark: self.mark,
            kind: Kind::Scalar {
                text: self.text.clone(),
                plain: self.plain,
            },
            file: file.clone(),
            fault: None,
        }
    }
}

/// A key, about to be read: text, unless the type asks for something else.
#[derive(Clone, Copy)]
struct KeyReader<'a> {
    node: &'a Node,
}

macro_rules! as_value {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let trail = &Trail::Root;
            Reader { node: self.node, trail }.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for KeyReader<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let trail = &Trail::Root;
        Reader {
            node: self.node,
            trail,
        }
        .deserialize_identifier(visitor)
    }

    as_value! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_bool
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let trail = &Trail::Root;
        Reader {
            node: self.node,
            trail,
        }
        .deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// An enum's value: a name alone, or a map of one key.
pub(super) struct Variant<'a> {
    pub(super) of: Reader<'a>,
    pub(super) name: &'a str,
    pub(super) value: Option<(&'a KeyNode, &'a Node)>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Failure> {
        let name: StrDeserializer<'_, Failure> = self.name.into_deserializer();
        let placed = |failure: Failure| match self.value {
            None => failure,
            // The name is a key, so the error points at that key.
            Some((key, _)) => {
                let node = &key.as_node(&self.of.node.file);
                failure.at(node, self.of.trail).into()
            }
        };
        let variant = seed.deserialize(name).map_err(placed)?;
        Ok((variant, self))
    }
}

impl<'a> Variant<'a> {
    /// Reads what the variant holds, with the variant's name in the path.
    fn inside<T>(self, read: impl FnOnce(Reader<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let Some((_, node)) = self.value else {
            let name = self.name;
            let fact = Fact::new(format!("is {} alone, must have a value", quoted(name)));
            return Err(fact.hint(format!("write {name}: VALUE")).into());
        };
        let trail = &Trail::Key(self.of.trail, self.name);
        read(Reader { node, trail }).map_err(|failure| failure.at(node, trail).into())
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self.value {
            None => Ok(()),
            Some(_) => self.inside(|reader| <()>::deserialize(reader)),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        self.inside(|reader| seed.deserialize(reader))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.inside(|reader| reader.deserialize_tuple(length, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.inside(|reader| reader.deserialize_struct("", fields, visitor))
    }
}
