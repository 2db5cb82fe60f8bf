//! Which methods answer which, as trait implementations.

use proc_macro2::TokenStream;
use quote::quote;

use crate::emit::format::ident;
use crate::emit::scope::{ClassTypes, Scope, method_number, method_type};
use crate::emit::{docs, layout};
use crate::model::{Class, Method};

/// For a method that expects a reply: which.
pub(super) fn request(
    class: &Class,
    method: &Method,
    types: &ClassTypes,
    scope: &mut Scope<'_>,
) -> TokenStream {
    let ids = layout::replies(method);
    let named = types.replies(method).map(|name| {
        let lifetime = borrowing(class, &ids).then(|| quote!(<'r>));
        let name = ident(name);
        quote!(#name #lifetime)
    });
    let only = || {
        let reply = layout::find(class, *ids.first()?)?;
        Some(method_type(reply, "r"))
    };
    let Some(reply) = named.or_else(only) else {
        return TokenStream::new();
    };
    let request = scope.wire("Request");
    let name = method_type(method, "_");
    quote! {
        impl #request for #name {
            type Reply<'r> = #reply;
        }
    }
}

fn borrowing(class: &Class, ids: &[u16]) -> bool {
    let mut replies = ids.iter().filter_map(|id| layout::find(class, *id));
    replies.any(layout::borrows)
}

/// For a method that expects one of several replies: their enum.
pub(super) fn several(
    class: &Class,
    method: &Method,
    types: &ClassTypes,
    scope: &mut Scope<'_>,
) -> TokenStream {
    let Some(name) = types.replies(method) else {
        return TokenStream::new();
    };
    let name = ident(name);
    let [reply, method_id, error] =
        ["Reply", "MethodId", "DecodeError"].map(|name| scope.wire(name));
    let result = scope.result();
    let ids = layout::replies(method);
    let (generics, lifetime) = if borrowing(class, &ids) {
        (quote!(<'r>), quote!(<'r>))
    } else {
        (quote!(), quote!())
    };
    let text = format!("The replies to {}.", docs::link(&method.name.camel));
    let docs = docs::comment(&[text], 0);

    let mut variants = Vec::new();
    let mut id_list = Vec::new();
    let mut attempts = Vec::new();
    let mut names = Vec::new();
    for reply in ids.iter().filter_map(|id| layout::find(class, *id)) {
        let full_name = format!("{}.{}", class.name, reply.name);
        let docs = docs::comment(&[format!("`{full_name}`.")], 4);
        let variant = ident(&reply.name.camel);
        let reply_type = method_type(reply, "r");
        variants.push(quote!(#docs #variant(#reply_type)));
        id_list.push(quote!(#variant::ID));
        let number = method_number(class, reply);
        attempts.push(quote!(#number => #variant::decode(payload).map(Self::#variant)));
        names.push(full_name);
    }
    let reader = scope.wire("Reader");
    let expected = docs::either(&names);
    quote! {
        #docs
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum #name #generics { #(#variants),* }

        impl<'r> #reply<'r> for #name #lifetime {
            const IDS: &'static [#method_id] = &[#(#id_list),*];

            fn decode_reply(payload: &'r [u8]) -> #result<Self, #error> {
                let id = #reader::new(payload).method_id()?;
                match id.to_u32() {
                    #(#attempts,)*
                    _ => Err(#error::unexpected_method(#expected, id)),
                }
            }
        }
    }
}

/// For a method that answers a request: how a reply is read.
pub(super) fn reply(method: &Method, types: &ClassTypes, scope: &mut Scope<'_>) -> TokenStream {
    if !types.answers(method) {
        return TokenStream::new();
    }
    let [reply, method_id, error] =
        ["Reply", "MethodId", "DecodeError"].map(|name| scope.wire(name));
    let result = scope.result();
    let name = method_type(method, "r");
    quote! {
        impl<'r> #reply<'r> for #name {
            const IDS: &'static [#method_id] = &[Self::ID];

            fn decode_reply(payload: &'r [u8]) -> #result<Self, #error> {
                Self::decode(payload)
            }
        }
    }
}
