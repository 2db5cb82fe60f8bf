//! `constants.rs`: the protocol's numbers, and the reply codes as a type of their own.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;

use super::format::{decimal, ident};
use super::scope::Scope;
use super::{Options, docs, format};
use crate::model::{Constant, ConstantKind, Specification};

/// The text of `constants.rs`.
pub(super) fn file(specification: &Specification, options: &Options) -> String {
    let mut scope = Scope::new(options, []);
    let fmt = scope.fmt();
    let mut items = scope.imports();
    items.extend(protocol(specification));
    let plain = |constant: &&Constant| constant.kind == ConstantKind::Plain;
    let constants = &specification.constants;
    items.extend(
        constants
            .iter()
            .filter(plain)
            .map(|constant| number(specification, constant)),
    );
    let codes: Vec<_> = constants
        .iter()
        .filter(|constant| !plain(constant))
        .collect();
    items.extend(reply_code(specification, &codes));
    items.extend(numbers());
    items.extend(debug(&fmt));
    items.push(severity());
    let summary = "The constants of the protocol.";
    format::file(specification, options, &[summary.to_owned()], items)
}

/// Version and port.
fn protocol(specification: &Specification) -> Vec<TokenStream> {
    let protocol = specification.protocol;
    let numbers = [
        (
            "PROTOCOL_MAJOR",
            "The protocol's major version.",
            "u8",
            u64::from(protocol.major),
        ),
        (
            "PROTOCOL_MINOR",
            "The protocol's minor version.",
            "u8",
            u64::from(protocol.minor),
        ),
        (
            "PROTOCOL_REVISION",
            "The protocol's revision.",
            "u8",
            u64::from(protocol.revision),
        ),
        (
            "PORT",
            "The TCP port that servers listen on.",
            "u16",
            u64::from(protocol.port),
        ),
    ];
    let item = |(name, text, number_type, value): (&str, &str, &str, u64)| {
        let docs = docs::comment(&[text], 0);
        let (name, number_type, value) = (ident(name), ident(number_type), decimal(value));
        quote!(#docs pub const #name: #number_type = #value;)
    };
    numbers.into_iter().map(item).collect()
}

fn number(specification: &Specification, constant: &Constant) -> TokenStream {
    let docs = constant_docs(specification, constant, 0);
    let name = ident(&constant.name.upper);
    let number_type = ident(if constant.value <= 255 { "u8" } else { "u32" });
    let value = decimal(constant.value);
    quote!(#docs pub const #name: #number_type = #value;)
}

fn constant_docs(specification: &Specification, constant: &Constant, indent: usize) -> TokenStream {
    let mut paragraphs = docs::paragraphs(specification, &constant.docs);
    if paragraphs.is_empty() {
        let grave = match constant.kind {
            ConstantKind::Plain => "",
            ConstantKind::ReplyCode => ", a reply code",
            ConstantKind::SoftError => ", a reply code that closes a channel",
            ConstantKind::HardError => ", a reply code that closes the connection",
        };
        paragraphs.push(format!("`{}`{grave}.", constant.name));
    }
    docs::comment(&paragraphs, indent)
}

/// The newtype with its named values: codes without a name survive.
fn reply_code(specification: &Specification, codes: &[&Constant]) -> Vec<TokenStream> {
    let type_docs = docs::comment(
        &[
            "Why a message was returned, or a channel or connection was closed.",
            "Codes that the \
            specification does not name are kept as they are.",
        ],
        0,
    );
    let [name_docs, severity_docs] = [
        "The name in the specification, if it has one.",
        "What the code closes, if the specification names it.",
    ]
    .map(|text| docs::comment(&[text], 4));
    let constants = codes.iter().map(|code| {
        let docs = constant_docs(specification, code, 4);
        let (name, value) = (ident(&code.name.upper), decimal(code.value));
        quote!(#docs pub const #name: Self = Self(#value);)
    });
    // Two names for one code: the first is the code's name.
    let mut seen = BTreeSet::new();
    let first: Vec<_> = codes
        .iter()
        .filter(|code| seen.insert(code.value))
        .collect();
    let names = first.iter().map(|code| {
        let (value, name) = (decimal(code.value), &code.name.spec);
        quote!(#value => Some(#name),)
    });
    let names = lookup(&names.collect::<Vec<_>>());
    let severities = lookup(&severities(&first));
    vec![
        quote! {
            #type_docs
            #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
            pub struct ReplyCode(pub u16);
        },
        quote! {
            impl ReplyCode {
                #(#constants)*

                #name_docs
                #[must_use]
                pub const fn name(self) -> Option<&'static str> {
                    #names
                }

                #severity_docs
                #[must_use]
                pub const fn severity(self) -> Option<Severity> {
                    #severities
                }
            }
        },
    ]
}

/// One arm per severity, with all its codes.
fn severities(codes: &[&&Constant]) -> Vec<TokenStream> {
    let kinds = [
        (ConstantKind::ReplyCode, quote!(None)),
        (ConstantKind::SoftError, quote!(Channel)),
        (ConstantKind::HardError, quote!(Connection)),
    ];
    let arm = |(kind, severity): (ConstantKind, TokenStream)| {
        let values: Vec<_> = codes
            .iter()
            .filter(|code| code.kind == kind)
            .map(|code| decimal(code.value))
            .collect();
        (!values.is_empty()).then(|| quote!(#(#values)|* => Some(Severity::#severity),))
    };
    kinds.into_iter().filter_map(arm).collect()
}

fn lookup(arms: &[TokenStream]) -> TokenStream {
    if arms.is_empty() {
        return quote!(None);
    }
    quote! {
        match self.0 {
            #(#arms)*
            _ => None,
        }
    }
}

/// The number beside the type: `code == 404`.
fn numbers() -> Vec<TokenStream> {
    vec![
        quote! {
            impl PartialEq<u16> for ReplyCode {
                fn eq(&self, other: &u16) -> bool {
                    self.0 == *other
                }
            }
        },
        quote! {
            impl PartialEq<ReplyCode> for u16 {
                fn eq(&self, other: &ReplyCode) -> bool {
                    *self == other.0
                }
            }
        },
        quote! {
            impl From<u16> for ReplyCode {
                fn from(code: u16) -> Self {
                    Self(code)
                }
            }
        },
        quote! {
            impl From<ReplyCode> for u16 {
                fn from(code: ReplyCode) -> Self {
                    code.0
                }
            }
        },
    ]
}

/// `404 NOT_FOUND`, as brokers write it in reply texts.
fn debug(fmt: &TokenStream) -> Vec<TokenStream> {
    vec![
        quote! {
            impl #fmt::Display for ReplyCode {
                fn fmt(&self, f: &mut #fmt::Formatter<'_>) -> #fmt::Result {
                    write!(f, "{}", self.0)?;
                    let Some(name) = self.name() else {
                        return Ok(());
                    };
                    f.write_str(" ")?;
                    for character in name.chars() {
                        let upper = character.to_ascii_uppercase();
                        #fmt::Write::write_char(f, if upper == '-' { '_' } else { upper })?;
                    }
                    Ok(())
                }
            }
        },
        quote! {
            impl #fmt::Debug for ReplyCode {
                fn fmt(&self, f: &mut #fmt::Formatter<'_>) -> #fmt::Result {
                    #fmt::Display::fmt(self, f)
                }
            }
        },
    ]
}

fn severity() -> TokenStream {
    let type_docs = docs::comment(
        &["What a reply code closes, unless a broker chooses otherwise."],
        0,
    );
    let [none, channel, connection] = [
        "Nothing: the code reports success, or why a message was returned.",
        "The channel on which it happened.",
        "The connection with all its channels.",
    ]
    .map(|text| docs::comment(&[text], 4));
    quote! {
        #type_docs
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Severity {
            #none
            None,
            #channel
            Channel,
            #connection
            Connection,
        }
    }
}
