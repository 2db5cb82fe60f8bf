//! The content properties of a class: one borrowed and one owned type over an encoded list.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::docs;
use super::format::{decimal, ident};
use super::scope::{ClassTypes, Scope, fresh, property};
use crate::model::{Class, Property, Specification, WireType};
use crate::naming;

/// The functions of the two types that are not named after a property, those of their traits
/// included: a property called `clone` must not stand in the way of `.clone()`.
const FUNCTIONS: &[&str] = &[
    "as_bytes",
    "as_ref",
    "clone",
    "clone_from",
    "decode",
    "default",
    "eq",
    "fmt",
    "hash",
    "ne",
    "new",
    "to_owned",
];

/// One property with the names of its functions.
pub(super) struct Accessor<'m> {
    pub(super) property: &'m Property,
    index: TokenStream,
    pub(super) name: Ident,
    clear: Ident,
}

/// All items for the properties of a class.
pub(super) fn items(
    specification: &Specification,
    class: &Class,
    types: &ClassTypes,
    scope: &mut Scope<'_>,
) -> Vec<TokenStream> {
    let accessors = accessors(class);
    let (owned, borrowed) = (ident(&types.properties), ident(&types.properties_ref));
    vec![
        kinds(class, scope),
        borrowed_type(specification, class, &accessors, &owned, &borrowed, scope),
        debug(&accessors, &borrowed, &quote!(#borrowed<'_>), scope),
        owned_type(specification, class, &accessors, &owned, &borrowed, scope),
        owned_debug(&owned, scope),
    ]
}

/// The properties that Rust sees, with names that clash with nothing.
pub(super) fn accessors(class: &Class) -> Vec<Accessor<'_>> {
    let mut taken: BTreeSet<_> = FUNCTIONS.iter().map(|name| (*name).to_owned()).collect();
    let mut accessors = Vec::new();
    for (index, property) in class.properties.iter().enumerate() {
        if property.reserved {
            continue;
        }
        let name = fresh(&property.name.snake, &taken);
        taken.insert(name.clone());
        let clear = naming::name(&format!("clear-{}", property.name)).snake;
        let clear = fresh(&clear, &taken);
        taken.insert(clear.clone());
        let index = decimal(index as u64);
        accessors.push(Accessor {
            property,
            index,
            name: ident(&name),
            clear: ident(&clear),
        });
    }
    accessors
}

fn kinds(class: &Class, scope: &mut Scope<'_>) -> TokenStream {
    let property_kind = scope.wire("PropertyKind");
    let kinds = class.properties.iter().map(|property_| {
        let kind = ident(property(property_.wire).0);
        quote!(#property_kind::#kind)
    });
    let docs = docs::comment(
        &["The wire types of the properties, in the order of their flags."],
        0,
    );
    quote! {
        #docs
        const PROPERTIES: &[#property_kind] = &[#(#kinds),*];
    }
}

fn borrowed_type(
    specification: &Specification,
    class: &Class,
    accessors: &[Accessor<'_>],
    owned: &Ident,
    borrowed: &Ident,
    scope: &mut Scope<'_>,
) -> TokenStream {
    let [list, error, buf] =
        ["PropertyList", "DecodeError", "PropertyBuf"].map(|name| scope.wire(name));
    let result = scope.result();
    let what = format!("{}.properties", class.name);
    let type_docs = received_docs(class);
    let [empty, decode, as_bytes, to_owned] = [
        "No properties.",
        "Checks an encoded list: flag words, then the values of the properties that are present.",
        "The encoded list.",
        "Copies the list, to change it or to outlive the buffer.",
    ]
    .map(|text| docs::comment(&[text], 4));
    let errors = docs::comment(
        &[
            "# Errors",
            "Where the list breaks off, goes on after its end, or a value is malformed.",
        ],
        4,
    );
    let functions = accessors
        .iter()
        .map(|accessor| getter(specification, accessor, scope));
    let functions: Vec<_> = functions.collect();
    quote! {
        #type_docs
        #[derive(Clone, Copy, Eq, Hash, PartialEq)]
        pub struct #borrowed<'a>(#list<'a>);

        impl<'a> #borrowed<'a> {
            #empty
            pub const EMPTY: Self = Self(#list::EMPTY);

            #decode
            #[doc = ""]
            #errors
            #[inline]
            pub fn decode(bytes: &'a [u8]) -> #result<Self, #error> {
                #list::decode(bytes, PROPERTIES, #what).map(Self)
            }

            #as_bytes
            #[inline]
            #[must_use]
            pub fn as_bytes(self) -> &'a [u8] {
                self.0.as_bytes()
            }

            #to_owned
            #[must_use]
            pub fn to_owned(self) -> #owned {
                #owned(#buf::from_list(self.0))
            }

            #(#functions)*
        }
    }
}

fn received_docs(class: &Class) -> TokenStream {
    docs::comment(
        &[
            format!(
                "The properties of `{}` content, as they were received.",
                class.name
            ),
            "The list is checked as a whole when it is decoded; a property is looked up when it \
             is asked for. Nothing is copied."
                .to_owned(),
        ],
        0,
    )
}

/// What reads one property.
fn getter(
    specification: &Specification,
    accessor: &Accessor<'_>,
    scope: &mut Scope<'_>,
) -> TokenStream {
    let docs = accessor_docs(specification, accessor.property);
    let (name, index) = (&accessor.name, &accessor.index);
    let read = ident(property(accessor.property.wire).1);
    if accessor.property.wire == WireType::Bit {
        return quote! {
            #docs
            #[inline]
            #[must_use]
            pub fn #name(self) -> bool {
                self.0.flag(#index)
            }
        };
    }
    let (option, value) = (
        scope.option(),
        scope.field_type(accessor.property.wire, "a"),
    );
    quote! {
        #docs
        #[inline]
        #[must_use]
        pub fn #name(self) -> #option<#value> {
            self.0.#read(PROPERTIES, #index)
        }
    }
}

fn accessor_docs(specification: &Specification, property: &Property) -> TokenStream {
    docs::field(specification, &property.into(), 4)
}

fn owned_type(
    specification: &Specification,
    class: &Class,
    accessors: &[Accessor<'_>],
    owned: &Ident,
    borrowed: &Ident,
    scope: &mut Scope<'_>,
) -> TokenStream {
    let buf = scope.wire("PropertyBuf");
    let type_docs = docs::comment(
        &[
            format!("The properties of `{}` content, to be sent.", class.name),
            "They are kept encoded. Setting them in the order of the specification only appends; \
             setting one again, or out of order, moves those behind it."
                .to_owned(),
        ],
        0,
    );
    let [new, as_ref, as_bytes] = [
        "No properties.",
        "The same list, borrowed.",
        "The encoded list.",
    ]
    .map(|text| docs::comment(&[text], 4));
    let functions = accessors
        .iter()
        .map(|accessor| setters(specification, accessor, scope));
    let functions: Vec<_> = functions.collect();
    quote! {
        #type_docs
        #[derive(Clone, Default, Eq, Hash, PartialEq)]
        pub struct #owned(#buf);

        impl #owned {
            #new
            #[inline]
            #[must_use]
            pub const fn new() -> Self {
                Self(#buf::new())
            }

            #as_ref
            #[inline]
            #[must_use]
            pub fn as_ref(&self) -> #borrowed<'_> {
                #borrowed(self.0.as_list())
            }

            #as_bytes
            #[inline]
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            #(#functions)*
        }
    }
}

/// What sets one property, and what removes it.
fn setters(
    specification: &Specification,
    accessor: &Accessor<'_>,
    scope: &mut Scope<'_>,
) -> TokenStream {
    let docs = accessor_docs(specification, accessor.property);
    let clear_docs = docs::comment(&[format!("Removes `{}`.", accessor.property.name.spec)], 4);
    let (name, clear, index) = (&accessor.name, &accessor.clear, &accessor.index);
    let set = ident(&format!("set_{}", property(accessor.property.wire).1));
    let value = scope.field_type(accessor.property.wire, "_");
    quote! {
        #docs
        #[inline]
        #[must_use]
        pub fn #name(mut self, value: #value) -> Self {
            self.0.#set(PROPERTIES, #index, value);
            self
        }

        #clear_docs
        #[inline]
        #[must_use]
        pub fn #clear(mut self) -> Self {
            self.0.remove(PROPERTIES, #index);
            self
        }
    }
}

/// Shows the properties that are present, by name.
///
/// Accessors are called by their path. As methods of a reference, those that are named like one of
/// a trait (`into`) would give way to the trait's.
fn debug(
    accessors: &[Accessor<'_>],
    borrowed: &Ident,
    full: &TokenStream,
    scope: &mut Scope<'_>,
) -> TokenStream {
    let fmt = scope.fmt();
    let title = borrowed.to_string();
    let fields = accessors.iter().map(|accessor| {
        let name = &accessor.name;
        let text = &accessor.property.name.snake;
        if accessor.property.wire == WireType::Bit {
            quote! {
                if Self::#name(*self) {
                    debug.field(#text, &true);
                }
            }
        } else {
            quote! {
                if let Some(value) = Self::#name(*self) {
                    debug.field(#text, &value);
                }
            }
        }
    });
    let fields: Vec<_> = fields.collect();
    let body = if fields.is_empty() {
        quote!(f.debug_struct(#title).finish())
    } else {
        quote! {
            let mut debug = f.debug_struct(#title);
            #(#fields)*
            debug.finish()
        }
    };
    quote! {
        impl #fmt::Debug for #full {
            fn fmt(&self, f: &mut #fmt::Formatter<'_>) -> #fmt::Result {
                #body
            }
        }
    }
}

fn owned_debug(owned: &Ident, scope: &mut Scope<'_>) -> TokenStream {
    let fmt = scope.fmt();
    quote! {
        impl #fmt::Debug for #owned {
            fn fmt(&self, f: &mut #fmt::Formatter<'_>) -> #fmt::Result {
                #fmt::Debug::fmt(&self.as_ref(), f)
            }
        }
    }
}
