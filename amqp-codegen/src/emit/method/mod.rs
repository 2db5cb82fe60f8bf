//! One method of a class file: its struct, its codec, its place in the conversation.

mod bits;
mod debug;
mod decode;
mod encode;
mod frame;
mod replies;

use proc_macro2::TokenStream;
use quote::quote;

use super::format::{decimal, ident};
use super::scope::{ClassTypes, Scope, method_type};
use super::{docs, layout};
use crate::model::{Argument, Class, Default, Field, FieldType, Method, Specification};

/// Methods of up to this many steps are worth inlining into another crate.
const INLINE_STEPS: usize = 5;

/// All items for one method, the struct first.
pub(super) fn items(
    specification: &Specification,
    class: &Class,
    method: &Method,
    types: &ClassTypes,
    scope: &mut Scope<'_>,
) -> Vec<TokenStream> {
    vec![
        definition(specification, class, method, scope),
        default(method, scope),
        debug::implementation(method, scope),
        frame::items(method),
        typed_method(class, method, scope),
        replies::request(class, method, types, scope),
        replies::several(class, method, types, scope),
        replies::reply(method, types, scope),
    ]
}

/// The struct. Its lifetime is there only if a field borrows.
fn definition(
    specification: &Specification,
    class: &Class,
    method: &Method,
    scope: &mut Scope<'_>,
) -> TokenStream {
    let docs = docs::method(specification, class, method, 0);
    let debug = (!debug::is_written(method)).then(|| quote!(Debug,));
    let default = (!has_default(method)).then(|| quote!(Default,));
    let name = method_type(method, "a");
    let fields = layout::fields(method)
        .into_iter()
        .filter(|field| !field.reserved)
        .map(|field| {
            let docs = docs::field(specification, &field, 4);
            let name = ident(&field.name.snake);
            let field_type = scope.field_type(field.wire, "a");
            quote!(#docs pub #name: #field_type,)
        });
    let fields: Vec<_> = fields.collect();
    let alias = format!("{}.{}", class.name, method.name);
    quote! {
        #docs
        #[doc(alias = #alias)]
        #[derive(Clone, Copy, #debug #default Eq, Hash, PartialEq)]
        pub struct #name { #(#fields)* }
    }
}

fn has_default(method: &Method) -> bool {
    layout::fields(method)
        .iter()
        .any(|field| !field.reserved && field.default.is_some())
}

/// The defaults, where one of them is not zero, empty or false.
fn default(method: &Method, scope: &mut Scope<'_>) -> TokenStream {
    if !has_default(method) {
        return TokenStream::new();
    }
    let name = method_type(method, "_");
    let default = scope.prelude("default", "Default");
    let mut fields = Vec::new();
    for argument in &method.arguments {
        match argument {
            Argument::Field(field) if field.reserved => {}
            Argument::Field(field) => {
                let name = ident(&field.name.snake);
                let value = default_value(field, scope);
                fields.push(quote!(#name: #value));
            }
            Argument::Bits(group) => {
                for bit in group.bits().iter().filter(|bit| !bit.reserved) {
                    let name = ident(&bit.name.snake);
                    let value = bit.default;
                    fields.push(quote!(#name: #value));
                }
            }
        }
    }
    quote! {
        impl #default for #name {
            fn default() -> Self {
                Self { #(#fields),* }
            }
        }
    }
}

fn default_value(field: &Field, scope: &mut Scope<'_>) -> TokenStream {
    match (field.wire, &field.default) {
        (FieldType::ShortStr, Some(Default::Text(text))) => {
            let name = scope.wire("ShortStr");
            quote!(#name::literal(#text))
        }
        (FieldType::LongStr, Some(Default::Text(text))) => {
            let name = scope.wire("LongStr");
            quote!(#name::literal(#text))
        }
        (FieldType::ShortStr, _) => {
            let name = scope.wire("ShortStr");
            quote!(#name::EMPTY)
        }
        (FieldType::LongStr, _) => {
            let name = scope.wire("LongStr");
            quote!(#name::EMPTY)
        }
        (FieldType::Table, _) => {
            let name = scope.wire("TableRef");
            quote!(#name::EMPTY)
        }
        (FieldType::Timestamp, default) => {
            let name = scope.wire("Timestamp");
            let value = integer(default.as_ref());
            quote!(#name(#value))
        }
        (_, default) => integer(default.as_ref()),
    }
}

fn integer(default: Option<&Default>) -> TokenStream {
    match default {
        Some(Default::Integer(value)) => decimal(*value),
        _ => decimal(0u8),
    }
}

fn typed_method(class: &Class, method: &Method, scope: &mut Scope<'_>) -> TokenStream {
    let [typed_method, method_id, reader, error] =
        ["TypedMethod", "MethodId", "Reader", "DecodeError"].map(|name| scope.wire(name));
    let (vec, result) = (scope.vec(), scope.result());
    let name = method_type(method, "a");
    let (class_number, method_number) = (decimal(class.id), decimal(method.id));
    let full_name = format!("{}.{}", class.name, method.name);
    let inline = inline(method);

    let length = encode::encoded_len(method);
    let encode = encode::arguments(method);
    let buf = ident(if encode.is_empty() { "_buf" } else { "buf" });
    let (reader_name, decode) = decode::arguments(class, method);
    quote! {
        impl<'a> #typed_method<'a> for #name {
            const ID: #method_id = #method_id::new(#class_number, #method_number);
            const NAME: &'static str = #full_name;

            #[inline]
            fn encoded_len(&self) -> usize {
                #length
            }

            #inline
            fn encode_arguments(&self, #buf: &mut #vec<u8>) {
                #encode
            }

            #inline
            fn decode_arguments(#reader_name: &mut #reader<'a>) -> #result<Self, #error> {
                #decode
            }
        }
    }
}

fn inline(method: &Method) -> TokenStream {
    let has_table = method.arguments.iter().any(|argument| match argument {
        Argument::Field(field) => field.wire == FieldType::Table,
        Argument::Bits(_) => false,
    });
    if method.arguments.len() <= INLINE_STEPS && !has_table {
        quote!(#[inline])
    } else {
        TokenStream::new()
    }
}
