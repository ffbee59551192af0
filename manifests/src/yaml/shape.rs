//! What mappings may hold, declared once: readers check keys and types against it, and the JSON Schemas
//! for editors are made from it.

/// What one mapping may hold.
#[derive(Debug)]
pub struct Shape {
    /// Name among the definitions of a schema, e.g. `Volume`.
    pub name: &'static str,
    /// What it stands for, one sentence.
    pub doc: &'static str,
    /// Its keys, in the order in which people are told of them.
    pub keys: &'static [Field],
    /// A shape whose keys it has as well.
    pub also: Option<&'static Self>,
    /// What holds between its keys.
    pub rules: &'static [Rule],
}

/// One key of a mapping.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What it stands for, one sentence, with the default where there is one.
    pub doc: &'static str,
    /// What its value is.
    pub of: Type,
    /// Whether it must be there.
    pub required: bool,
}

impl Field {
    /// A key that may be left out, or be null.
    #[must_use]
    pub const fn new(name: &'static str, of: Type, doc: &'static str) -> Self {
        Self { name, doc, of, required: false }
    }

    /// A key that must be there with a value.
    #[must_use]
    pub const fn required(name: &'static str, of: Type, doc: &'static str) -> Self {
        Self { name, doc, of, required: true }
    }
}

/// What holds between keys of one mapping. A key with the value null is not there.
#[derive(Debug)]
pub enum Rule {
    /// Not both.
    Apart(&'static str, &'static str),
    /// At least one.
    Any(&'static [&'static str]),
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// A string.
    String,
    /// A string of a form that a regular expression without anchors tells.
    Pattern(&'static str),
    /// A DNS-1123 label of at most so many characters.
    Label(u64),
    /// A domain name.
    Domain,
    /// Any scalar but null.
    Text,
    /// The value of a Kubernetes label.
    LabelValue,
    /// `true` or `false`.
    Boolean,
    /// An integer, from and to.
    Integer(u64, u64),
    /// One of several words.
    Word(&'static [&'static str]),
    /// A duration like `90s` or `1h30m`.
    Duration,
    /// A Kubernetes quantity, in bytes.
    Size,
    /// A mapping of scalars; null is the empty text.
    Texts,
    /// A mapping of values of Kubernetes labels.
    Labels,
    /// A list.
    List(&'static Self),
    /// A list with at least one item.
    Filled(&'static Self),
    /// A mapping.
    Mapping(&'static Shape),
    /// A Compose document: a mapping, a text that holds one, or `file:` with a path.
    Compose,
    /// A mapping whose shape another key decides.
    Varies,
    /// Anything.
    Any,
    /// Null: the key's function comes in a later version, and anything else is refused until then.
    Later,
    /// Nothing: the key is kept for later and refused.
    Reserved,
}

impl Type {
    /// Whether values are read as strings.
    #[must_use]
    pub const fn is_string(&self) -> bool {
        matches!(self, Self::String | Self::Pattern(_) | Self::Label(_) | Self::Domain | Self::Word(_))
    }

    /// Whether values are read as the text that stands there.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text | Self::LabelValue | Self::Duration | Self::Size)
    }

    /// What the items of a list are.
    #[must_use]
    pub const fn items(&self) -> Option<&'static Self> {
        match self {
            Self::List(items) | Self::Filled(items) => Some(items),
            _ => None,
        }
    }
}

impl Shape {
    /// All keys, those of [`Shape::also`] behind its own.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> {
        let also: &'static [Field] = self.also.map_or(&[], |also| also.keys);
        self.keys.iter().chain(also)
    }

    /// The key of a name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields().find(|field| field.name == name)
    }

    /// All rules.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        let also: &'static [Rule] = self.also.map_or(&[], |also| also.rules);
        self.rules.iter().chain(also)
    }
}
