//! How the arguments of a method are read.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use crate::emit::format::{decimal, ident};
use crate::emit::layout;
use crate::emit::scope::{fresh, read};
use crate::model::{Argument, BitGroup, Class, Method};

/// The name of the reader, and the statements that read the arguments from it.
pub(super) fn arguments(class: &Class, method: &Method) -> (Ident, TokenStream) {
    let locals = Locals::new(method);
    let statements = statements(class, method, &locals);
    (locals.reader, statements)
}

/// The local variables of a decoder that are no fields, named apart from the fields.
struct Locals {
    reader: Ident,
    /// One for each group of bits that is not all reserved, in order.
    bits: Vec<Ident>,
}

impl Locals {
    fn new(method: &Method) -> Self {
        let mut taken: BTreeSet<_> = layout::fields(method)
            .iter()
            .map(|field| field.name.snake.clone())
            .collect();
        let reader = fresh("reader", &taken);
        taken.insert(reader.clone());
        let mut bits = Vec::new();
        for argument in &method.arguments {
            if let Argument::Bits(_) = argument {
                let number = bits.len() + 1;
                let name = if number == 1 {
                    "bits".to_owned()
                } else {
                    format!("bits_{number}")
                };
                let name = fresh(&name, &taken);
                taken.insert(name.clone());
                bits.push(ident(&name));
            }
        }
        let reader = if method.arguments.is_empty() {
            "_reader"
        } else {
            &reader
        };
        Self {
            reader: ident(reader),
            bits,
        }
    }
}

fn statements(class: &Class, method: &Method, locals: &Locals) -> TokenStream {
    let reader = &locals.reader;
    let mut groups = (1..).zip(&locals.bits);
    let mut steps = Vec::new();
    let mut fields = Vec::new();
    for argument in &method.arguments {
        match argument {
            Argument::Field(field) => {
                let what = format!("{}.{}.{}", class.name, method.name, field.name);
                let (name, read) = (ident(&field.name.snake), read(field.wire));
                if field.reserved {
                    steps.push(quote!(#reader.#read(#what)?;));
                } else {
                    steps.push(quote!(let #name = #reader.#read(#what)?;));
                    fields.push(quote!(#name));
                }
            }
            Argument::Bits(group) => {
                let Some((number, local)) = groups.next() else {
                    continue;
                };
                let what = format!("{}.{}.{}", class.name, method.name, octet(group, number));
                let (step, bits) = decode_bits(group, &what, reader, local);
                steps.push(step);
                fields.extend(bits);
            }
        }
    }
    quote! {
        #(#steps)*
        Ok(Self { #(#fields),* })
    }
}

/// What an error calls an octet of bits: the name of its bit, if it holds one alone.
fn octet(group: &BitGroup, number: usize) -> String {
    match (group.bits(), number) {
        ([only], _) => only.name.to_string(),
        (_, 1) => "bits".to_owned(),
        _ => format!("bits-{number}"),
    }
}

/// Reads one octet of bits and takes it apart.
fn decode_bits(
    group: &BitGroup,
    what: &str,
    reader: &Ident,
    local: &Ident,
) -> (TokenStream, Vec<TokenStream>) {
    let bits = group
        .bits()
        .iter()
        .enumerate()
        .filter(|(_, bit)| !bit.reserved);
    let fields = bits.map(|(index, bit)| {
        let name = ident(&bit.name.snake);
        let shift = decimal(index as u64);
        match index {
            0 => quote!(#name: #local & 1 != 0),
            _ => quote!(#name: #local & (1 << #shift) != 0),
        }
    });
    let fields: Vec<_> = fields.collect();
    if fields.is_empty() {
        (quote!(#reader.u8(#what)?;), fields)
    } else {
        (quote!(let #local = #reader.u8(#what)?;), fields)
    }
}
