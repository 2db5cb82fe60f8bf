//! The names that a Rust file uses, and what it has to import for them.
//!
//! A specification may call a method `request` or `result`. Where a generated type takes a name
//! that the code around it needs, that code writes the full path instead.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::quote;

use super::format::{ident, import, path};
use super::{Options, layout};
use crate::model::{Class, FieldType, Method, WireType};
use crate::naming;

/// The types of one file and the imports gathered while it is written.
pub(super) struct Scope<'o> {
    options: &'o Options,
    types: BTreeSet<String>,
    wire: BTreeSet<&'static str>,
    metadata: BTreeSet<&'static str>,
    vec: bool,
    fmt: bool,
}

impl<'o> Scope<'o> {
    /// A file that defines `types`.
    pub(super) fn new(options: &'o Options, types: impl IntoIterator<Item = String>) -> Self {
        Self {
            options,
            types: types.into_iter().collect(),
            wire: BTreeSet::new(),
            metadata: BTreeSet::new(),
            vec: false,
            fmt: false,
        }
    }

    /// Something of the runtime's `wire` module.
    pub(super) fn wire(&mut self, name: &'static str) -> TokenStream {
        if self.types.contains(name) {
            if name == "TypedMethod" {
                // Its constants and functions are used without its name.
                self.wire.insert("TypedMethod as _");
            }
            return path(&format!("{}::wire::{name}", self.options.runtime));
        }
        self.wire.insert(name);
        path(name)
    }

    /// Something of the runtime's `metadata` module.
    pub(super) fn metadata(&mut self, name: &'static str) -> TokenStream {
        self.metadata.insert(name);
        path(name)
    }

    /// `Vec`, which the prelude lacks without the standard library.
    pub(super) fn vec(&mut self) -> TokenStream {
        let alloc = self.alloc();
        if self.types.contains("Vec") {
            return quote!(#alloc::vec::Vec);
        }
        self.vec = true;
        quote!(Vec)
    }

    /// A name of the prelude, or its full path where the file defines that name itself.
    pub(super) fn prelude(&self, module: &str, name: &str) -> TokenStream {
        if self.types.contains(name) {
            path(&format!("core::{module}::{name}"))
        } else {
            path(name)
        }
    }

    /// `core::result::Result`.
    pub(super) fn result(&self) -> TokenStream {
        self.prelude("result", "Result")
    }

    /// `core::option::Option`.
    pub(super) fn option(&self) -> TokenStream {
        self.prelude("option", "Option")
    }

    /// The module `core::fmt`.
    pub(super) fn fmt(&mut self) -> TokenStream {
        self.fmt = true;
        quote!(fmt)
    }

    fn alloc(&self) -> TokenStream {
        if self.options.runtime == "crate" {
            quote!(alloc)
        } else {
            quote!(super::alloc)
        }
    }

    /// The `use` items for everything asked for so far, in rustfmt's order and blocks.
    pub(super) fn imports(&self) -> Vec<TokenStream> {
        let alloc = self.alloc();
        let mut foreign = TokenStream::new();
        if self.vec {
            foreign.extend(quote!(use #alloc::vec::Vec;));
        }
        if self.fmt {
            foreign.extend(quote!(
                use core::fmt;
            ));
        }
        let mut runtime = TokenStream::new();
        for (module, names) in [("metadata", &self.metadata), ("wire", &self.wire)] {
            let module = format!("{}::{module}", self.options.runtime);
            runtime.extend(import(&module, names.iter().copied()));
        }
        vec![foreign, runtime]
    }

    /// The Rust type of a field, with the lifetime `'lifetime` where it borrows.
    pub(super) fn field_type(&mut self, wire: WireType, lifetime: &str) -> TokenStream {
        let lifetime = path(&format!("'{lifetime}"));
        match wire {
            WireType::Bit => quote!(bool),
            WireType::Octet => quote!(u8),
            WireType::Short => quote!(u16),
            WireType::Long => quote!(u32),
            WireType::LongLong => quote!(u64),
            WireType::Timestamp => self.wire("Timestamp"),
            WireType::ShortStr | WireType::LongStr | WireType::Table => {
                let name = self.wire(borrowed(wire));
                quote!(#name<#lifetime>)
            }
        }
    }
}

const fn borrowed(wire: WireType) -> &'static str {
    match wire {
        WireType::LongStr => "LongStr",
        WireType::Table => "TableRef",
        _ => "ShortStr",
    }
}

/// The reader's function for a field.
pub(super) fn read(field: FieldType) -> TokenStream {
    path(match field {
        FieldType::Octet => "u8",
        FieldType::Short => "u16",
        FieldType::Long => "u32",
        FieldType::LongLong => "u64",
        FieldType::ShortStr => "short_str",
        FieldType::LongStr => "long_str",
        FieldType::Timestamp => "timestamp",
        FieldType::Table => "table",
    })
}

/// The property list's word for a wire type: `Short`, and `short` for its functions.
pub(super) const fn property(wire: WireType) -> (&'static str, &'static str) {
    match wire {
        WireType::Bit => ("Bit", "flag"),
        WireType::Octet => ("Octet", "octet"),
        WireType::Short => ("Short", "short"),
        WireType::Long => ("Long", "long"),
        WireType::LongLong => ("LongLong", "long_long"),
        WireType::ShortStr => ("ShortStr", "short_str"),
        WireType::LongStr => ("LongStr", "long_str"),
        WireType::Timestamp => ("Timestamp", "timestamp"),
        WireType::Table => ("Table", "table"),
    }
}

/// The struct of a method, with a lifetime argument where it borrows.
pub(super) fn method_type(method: &Method, lifetime: &str) -> TokenStream {
    let name = ident(&method.name.camel);
    if layout::borrows(method) {
        let lifetime = path(&format!("'{lifetime}"));
        quote!(#name<#lifetime>)
    } else {
        quote!(#name)
    }
}

/// A name that differs from all that are taken, by underscores at its end.
pub(super) fn fresh(name: &str, taken: &BTreeSet<String>) -> String {
    let mut name = name.to_owned();
    while taken.contains(&name) {
        name.push('_');
    }
    name
}

/// The types that a class file defines: its methods, then the enums for requests with several
/// replies, then its properties, all under names that differ.
pub(super) struct ClassTypes {
    types: BTreeSet<String>,
    /// By the id of the request.
    replies: BTreeMap<u16, String>,
    /// The ids of the methods that answer another.
    answers: BTreeSet<u16>,
    /// The owned properties.
    pub(super) properties: String,
    /// The borrowed properties.
    pub(super) properties_ref: String,
}

impl ClassTypes {
    /// Chooses the names for a class.
    pub(super) fn new(class: &Class) -> Self {
        let mut types: BTreeSet<_> = class
            .methods
            .iter()
            .map(|method| method.name.camel.clone())
            .collect();
        let mut replies = BTreeMap::new();
        for method in &class.methods {
            if layout::replies(method).len() > 1 {
                let name = naming::name(&format!("{}-reply", method.name)).camel;
                let name = fresh(&name, &types);
                types.insert(name.clone());
                replies.insert(method.id, name);
            }
        }
        let answers = class.methods.iter().flat_map(layout::replies).collect();
        let properties = fresh("Properties", &types);
        let properties_ref = fresh("PropertiesRef", &types);
        if !class.properties.is_empty() {
            types.extend([properties.clone(), properties_ref.clone()]);
        }
        Self {
            types,
            replies,
            answers,
            properties,
            properties_ref,
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = String> + '_ {
        self.types.iter().cloned()
    }

    /// The enum for the replies to a request that has several.
    pub(super) fn replies(&self, method: &Method) -> Option<&str> {
        self.replies.get(&method.id).map(|name| &**name)
    }

    /// Whether a method answers another.
    pub(super) fn answers(&self, method: &Method) -> bool {
        self.answers.contains(&method.id)
    }
}

/// Both ids as one number, in the form that a `match` can use: `0x003c_0047`.
pub(super) fn method_number(class: &Class, method: &Method) -> TokenStream {
    path(&format!("{:#06x}_{:04x}", class.id, method.id))
}
