//! Reads nodes as types: a serde deserializer whose errors have line and column.

use serde::de::{DeserializeOwned, Deserializer, Expected, Visitor};
use serde::forward_to_deserialize_any;

use super::access::{Entries, Items, Variant, is_free};
use super::error::{Fact, YamlError, quoted};
use super::failure::{Failure, Trail, items};
use super::scalar::{Resolved, resolve};
use super::tree::{Kind, Node, beyond_64_bits, no_json_form};

/// Reads `node` as `T`.
pub(super) fn read<T: DeserializeOwned>(node: &Node) -> Result<T, YamlError> {
    let trail = &Trail::Root;
    T::deserialize(Reader { node, trail }).map_err(|failure| failure.at(node, trail))
}

/// One value, about to be read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) node: &'a Node,
    pub(super) trail: &'a Trail<'a>,
}

impl<'a> Reader<'a> {
    /// The scalar's text and whether it is plain.
    fn scalar(self, wanted: &str) -> Result<(&'a str, bool), Failure> {
        if let Some(fault) = &self.node.fault {
            return Err((**fault).clone().into());
        }
        match &self.node.kind {
            Kind::Scalar { text, plain } => Ok((text, *plain)),
            _ => Err(self.must_be(wanted)),
        }
    }

    /// The meaning of a plain scalar that is not empty.
    fn plain(self, wanted: &str) -> Result<(&'a str, Resolved), Failure> {
        let (text, plain) = self.scalar(wanted)?;
        if !plain {
            let fact = Fact::new(format!("is {} in quotes, must be {wanted}", quoted(text)));
            return Err(fact.hint("remove the quotes").into());
        }
        match resolve(text) {
            Resolved::Null => Err(self.must_be(wanted)),
            resolved => Ok((text, resolved)),
        }
    }

    fn text(self) -> Result<&'a str, Failure> {
        let (text, plain) = self.scalar("text")?;
        if !plain || resolve(text) != Resolved::Null {
            return Ok(text);
        }
        let fact = Fact::new("is empty, must be text");
        match text {
            "" => Err(fact.into()),
            _ => Err(fact
                .hint(format!("for the text {text} write \"{text}\""))
                .into()),
        }
    }

    fn whole_number(self, min: i128, max: i128) -> Result<i128, Failure> {
        let (text, resolved) = self.plain("a whole number")?;
        match resolved {
            Resolved::Int(value) if (min..=max).contains(&value) => Ok(value),
            Resolved::Int(_) | Resolved::Huge => {
                let limit = whole_limit(min, max, text.starts_with('-'));
                Err(Fact::new(format!("is {text}, must be a whole number{limit}")).into())
            }
            Resolved::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
                let fact = Fact::new(format!("is {text}, must be a whole number"));
                Err(fact.hint(format!("write {value:.0}")).into())
            }
            _ => Err(self.must_be("a whole number")),
        }
    }

    fn number(self) -> Result<f64, Failure> {
        let (text, resolved) = self.plain("a number")?;
        match resolved {
            Resolved::Int(value) => Ok(value as f64),
            Resolved::Float(value) if !value.is_nan() => Ok(value),
            Resolved::Huge => text
                .parse()
                .ok()
                .filter(|value: &f64| value.is_finite())
                .ok_or_else(|| beyond_64_bits(text).into()),
            _ => Err(self.must_be("a number")),
        }
    }

    fn boolean(self) -> Result<bool, Failure> {
        let (text, resolved) = self.plain("true or false")?;
        let meant = match text.to_lowercase().as_str() {
            "yes" | "on" | "y" => "true",
            "no" | "off" | "n" => "false",
            _ => "",
        };
        match resolved {
            Resolved::Bool(value) => Ok(value),
            _ if meant.is_empty() => Err(self.must_be("true or false")),
            _ => {
                let fact = Fact::new(format!("is {}, must be true or false", quoted(text)));
                Err(fact.hint(format!("write {meant}")).into())
            }
        }
    }

    fn is_empty(self) -> bool {
        match &self.node.kind {
            Kind::Scalar { text, plain } => *plain && resolve(text) == Resolved::Null,
            _ => false,
        }
    }

    fn must_be(self, wanted: &str) -> Failure {
        Fact::new(format!("is {}, must be {wanted}", self.node.shown())).into()
    }

    fn wrong_shape(self, wanted: &str) -> Failure {
        match self.scalar(wanted) {
            Ok(_) => self.must_be(wanted),
            Err(failure) => failure,
        }
    }

    fn any_scalar<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let (text, plain) = self.scalar("text")?;
        if !plain {
            return visitor.visit_str(text);
        }
        match resolve(text) {
            Resolved::Null => visitor.visit_unit(),
            Resolved::Bool(value) => visitor.visit_bool(value),
            Resolved::Int(value) => match (u64::try_from(value), i64::try_from(value)) {
                (Ok(value), _) => visitor.visit_u64(value),
                (_, Ok(value)) => visitor.visit_i64(value),
                _ => Err(beyond_64_bits(text).into()),
            },
            Resolved::Huge => Err(beyond_64_bits(text).into()),
            Resolved::Float(value) if value.is_nan() => Err(self.must_be("a number")),
            // serde_json's own value would turn infinity into null.
            Resolved::Float(value) if value.is_infinite() && wants_json(&visitor) => {
                Err(no_json_form(text).into())
            }
            Resolved::Float(value) => visitor.visit_f64(value),
            Resolved::Text => visitor.visit_str(text),
        }
    }

    fn list<'de, V: Visitor<'de>>(self, nodes: &[Node], visitor: V) -> Result<V::Value, Failure> {
        let mut access = Items::new(nodes, self.trail);
        let value = visitor.visit_seq(&mut access)?;
        match access.read() {
            read if read < nodes.len() => {
                let fact = format!("has {}, must have {read}", items(nodes.len()));
                Err(Fact::new(fact).into())
            }
            _ => Ok(value),
        }
    }

    /// `skip`: which keys to leave out.
    fn map<'de, V: Visitor<'de>>(
        self,
        skip: &dyn Fn(&str) -> bool,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match &self.node.kind {
            Kind::Mapping(entries) => visitor.visit_map(Entries::new(self, entries, skip)),
            _ => Err(self.wrong_shape("a map")),
        }
    }
}

fn wants_json<'de, V: Visitor<'de>>(visitor: &V) -> bool {
    (visitor as &dyn Expected).to_string() == "any valid JSON value"
}

/// `deserialize_u8` and its like, each with its own range.
macro_rules! whole_numbers {
    ($($method:ident $visit:ident $number:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let value = self.whole_number(<$number>::MIN as i128, <$number>::MAX as i128)?;
            visitor.$visit(value as $number)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.kind {
            Kind::Scalar { .. } => self.any_scalar(visitor),
            Kind::Sequence(nodes) => self.list(nodes, visitor),
            Kind::Mapping(_) => self.map(&|_| false, visitor),
        }
    }

    whole_numbers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let value = self.whole_number(0, i128::MAX)?;
        visitor.visit_u128(value.unsigned_abs())
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_bool(self.boolean()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let value = self.number()?;
        if value.is_finite() && (value as f32).is_infinite() {
            let fact = format!("is {}, must fit a 32-bit float", self.node.shown());
            return Err(Fact::new(fact).into());
        }
        visitor.visit_f64(value)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_f64(self.number()?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_str(self.scalar("text")?.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.is_empty() {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if !self.is_empty() {
            return Err(self.must_be("empty"));
        }
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.kind {
            Kind::Sequence(nodes) => self.list(nodes, visitor),
            _ => Err(self.wrong_shape("a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match &self.node.kind {
            Kind::Sequence(nodes) if nodes.len() != length => {
                let fact = format!("has {}, must have {length}", items(nodes.len()));
                Err(Fact::new(fact).into())
            }
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.map(&|_| false, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.map(&|key| is_free(key) && !fields.contains(&key), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let wanted = match variants {
            [name] => format!("`{name}`"),
            _ => format!("one of `{}`", variants.join("`, `")),
        };
        match &self.node.kind {
            Kind::Scalar { .. } if self.is_empty() => Err(self.must_be(&wanted)),
            Kind::Scalar { .. } => {
                let name = self.scalar(&wanted)?.0;
                visitor.visit_enum(Variant {
                    of: self,
                    name,
                    value: None,
                })
            }
            Kind::Sequence(_) => Err(self.must_be(&wanted)),
            Kind::Mapping(entries) => {
                let mut own = entries.iter().filter(|(key, _)| !is_free(&key.text));
                match (own.next(), own.next()) {
                    (Some((key, value)), None) => {
                        let (name, value) = (&*key.text, Some((key, value)));
                        visitor.visit_enum(Variant {
                            of: self,
                            name,
                            value,
                        })
                    }
                    _ => {
                        let keys = entries.len();
                        let fact = format!("is a map of {keys} keys, must have one: {wanted}");
                        Err(Fact::new(fact).into())
                    }
                }
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bytes byte_buf }
}

/// The limits of a whole number, written after "a whole number". Of limits that
/// only the number's type sets, the one that was broken is named.
fn whole_limit(min: i128, max: i128, is_negative: bool) -> String {
    if max < i128::from(u32::MAX) {
        format!(" from {min} to {max}")
    } else if is_negative {
        format!(", {min} or more")
    } else {
        format!(", {max} or less")
    }
}
