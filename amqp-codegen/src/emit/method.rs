//! One method of a class file: its struct, its codec, its place in the conversation.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;

use super::format::{comment, decimal, ident, path};
use super::layout::{self, FRAME_OVERHEAD, IDS};
use super::scope::{ClassTypes, Scope, fresh, method_type, read};
use super::docs;
use crate::model::{Argument, BitGroup, Class, Default, Field, FieldType, Method, Specification};

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
        frame(method),
        typed_method(class, method, scope),
        request(class, method, types, scope),
        replies(class, method, types, scope),
        reply(class, method, scope),
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
    let derives = if has_default(method) {
        quote!(Clone, Copy, Debug, Eq, Hash, PartialEq)
    } else {
        quote!(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)
    };
    let name = method_type(method, "a");
    let fields = layout::fields(method).into_iter().filter(|field| !field.reserved).map(|field| {
        let docs = docs::field(specification, &field, 4);
        let name = ident(&field.name.snake);
        let field_type = scope.field_type(field.wire, "a");
        quote!(#docs pub #name: #field_type,)
    });
    let fields: Vec<_> = fields.collect();
    quote! {
        #docs
        #[derive(#derives)]
        pub struct #name { #(#fields)* }
    }
}

fn has_default(method: &Method) -> bool {
    layout::fields(method).iter().any(|field| !field.reserved && field.default.is_some())
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

/// For a method whose size does not depend on its values: its frame on the stack.
fn frame(method: &Method) -> TokenStream {
    let Some(size) = layout::fixed_size(method) else {
        return TokenStream::new();
    };
    let docs = docs::comment(&["Makes the complete frame on the stack: type, channel, size, payload, end octet.".to_owned()], 4);
    let name = method_type(method, "_");
    let payload = decimal((IDS + size) as u64);
    let arguments = (!layout::is_constant(method)).then(|| {
        let start = decimal(11u8);
        let end = decimal((11 + size) as u64);
        quote!(frame[#start..#end].copy_from_slice(&self.to_octets());)
    });
    let last = decimal((10 + size + 1) as u64);
    let total = decimal((FRAME_OVERHEAD + IDS + size) as u64);
    let to_octets = to_octets(method, size);
    quote! {
        impl #name {
            #docs
            #[inline]
            #[must_use]
            pub fn to_frame(self, channel: u16) -> [u8; #total] {
                let mut frame = [0; #total];
                frame[0] = 1;
                frame[1..3].copy_from_slice(&channel.to_be_bytes());
                frame[3..7].copy_from_slice(&u32::to_be_bytes(#payload));
                frame[7..11].copy_from_slice(&Self::ID.to_be_bytes());
                #arguments
                frame[#last] = 0xCE;
                frame
            }
            #to_octets
        }
    }
}

/// The arguments as octets on the stack, written by both `to_frame` and `encode_arguments`.
fn to_octets(method: &Method, size: usize) -> TokenStream {
    if layout::is_constant(method) {
        return TokenStream::new();
    }
    let docs = docs::comment(&["Makes the arguments, on the stack.".to_owned()], 4);
    let size = decimal(size as u64);
    let mut offset = 0;
    let mut steps = Vec::new();
    for argument in &method.arguments {
        let width = layout::written_width(argument).unwrap_or_default();
        steps.push(fixed_step(argument, offset, width));
        offset += width;
    }
    quote! {
        #docs
        #[inline]
        fn to_octets(self) -> [u8; #size] {
            let mut arguments = [0; #size];
            #(#steps)*
            arguments
        }
    }
}

/// One argument at its place in the array, which is zero before.
fn fixed_step(argument: &Argument, offset: usize, width: usize) -> TokenStream {
    let start = decimal(offset as u64);
    let end = decimal((offset + width) as u64);
    match argument {
        Argument::Field(field) if field.reserved => reserved(field),
        Argument::Field(field) => {
            let name = ident(&field.name.snake);
            match field.wire {
                FieldType::Octet => quote!(arguments[#start] = self.#name;),
                FieldType::Timestamp => {
                    quote!(arguments[#start..#end].copy_from_slice(&self.#name.0.to_be_bytes());)
                }
                _ => quote!(arguments[#start..#end].copy_from_slice(&self.#name.to_be_bytes());),
            }
        }
        Argument::Bits(group) => {
            let comment = reserved_bits(group);
            match packed(group) {
                Some(bits) => quote!(#comment arguments[#start] = #bits;),
                None => comment,
            }
        }
    }
}

/// The octet of a bit group, or `None` if every bit is reserved.
fn packed(group: &BitGroup) -> Option<TokenStream> {
    let bits = group.bits().iter().enumerate().filter(|(_, bit)| !bit.reserved);
    let bits: Vec<_> = bits
        .map(|(index, bit)| {
            let name = ident(&bit.name.snake);
            (index, quote!(u8::from(self.#name)))
        })
        .collect();
    let alone = bits.len() == 1;
    let bits = bits.into_iter().map(|(index, bit)| {
        let shift = decimal(index as u64);
        match index {
            0 => bit,
            _ if alone => quote!(#bit << #shift),
            _ => quote!((#bit << #shift)),
        }
    });
    let bits: Vec<_> = bits.collect();
    (!bits.is_empty()).then(|| quote!(#(#bits)|*))
}

fn reserved(field: &Field) -> TokenStream {
    comment(&format!("`{}` is reserved.", field.name))
}

fn reserved_bits(group: &BitGroup) -> TokenStream {
    let reserved = group.bits().iter().filter(|bit| bit.reserved);
    let reserved: Vec<_> = reserved.map(|bit| format!("`{}`", bit.name)).collect();
    match &*reserved {
        [] => TokenStream::new(),
        [name] => comment(&format!("{name} is reserved.")),
        names => comment(&format!("{} are reserved.", names.join(", "))),
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

    let length = encoded_len(method);
    let encode = encode(method);
    let buf = ident(if encode.is_empty() { "_buf" } else { "buf" });
    let locals = Locals::new(method);
    let decode = decode(class, method, &locals);
    let reader_name = &locals.reader;
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

fn encoded_len(method: &Method) -> TokenStream {
    let mut fixed = IDS;
    let mut variable = Vec::new();
    for argument in &method.arguments {
        match (layout::written_width(argument), argument) {
            (Some(width), _) => fixed += width,
            (None, Argument::Field(field)) => {
                let name = ident(&field.name.snake);
                fixed += layout::empty_width(field.wire);
                variable.push(quote!(self.#name.len()));
            }
            (None, Argument::Bits(_)) => {}
        }
    }
    let fixed = decimal(fixed as u64);
    quote!(#fixed #(+ #variable)*)
}

fn encode(method: &Method) -> TokenStream {
    match layout::fixed_size(method) {
        Some(_) if !layout::is_constant(method) => quote!(buf.extend_from_slice(&self.to_octets());),
        _ => method.arguments.iter().map(encode_step).collect(),
    }
}

fn encode_step(argument: &Argument) -> TokenStream {
    match argument {
        Argument::Field(field) if field.reserved => {
            let comment = reserved(field);
            match layout::empty_width(field.wire) {
                1 => quote!(#comment buf.push(0);),
                width => {
                    let width = decimal(width as u64);
                    quote!(#comment buf.extend_from_slice(&[0; #width]);)
                }
            }
        }
        Argument::Field(field) => {
            let name = ident(&field.name.snake);
            match field.wire {
                FieldType::Octet => quote!(buf.push(self.#name);),
                FieldType::Short | FieldType::Long | FieldType::LongLong => {
                    quote!(buf.extend_from_slice(&self.#name.to_be_bytes());)
                }
                FieldType::ShortStr
                | FieldType::LongStr
                | FieldType::Timestamp
                | FieldType::Table => quote!(self.#name.encode(buf);),
            }
        }
        Argument::Bits(group) => {
            let bits = packed(group).unwrap_or_else(|| quote!(0));
            let comment = reserved_bits(group);
            quote!(#comment buf.push(#bits);)
        }
    }
}

/// The local variables of a decoder that are no fields, named apart from the fields.
struct Locals {
    reader: proc_macro2::Ident,
    /// One for each group of bits that is not all reserved, in order.
    bits: Vec<proc_macro2::Ident>,
}

impl Locals {
    fn new(method: &Method) -> Self {
        let mut taken: BTreeSet<_> =
            layout::fields(method).iter().map(|field| field.name.snake.clone()).collect();
        let reader = fresh("reader", &taken);
        taken.insert(reader.clone());
        let mut bits = Vec::new();
        for argument in &method.arguments {
            if let Argument::Bits(_) = argument {
                let number = bits.len() + 1;
                let name = if number == 1 { "bits".to_owned() } else { format!("bits_{number}") };
                let name = fresh(&name, &taken);
                taken.insert(name.clone());
                bits.push(ident(&name));
            }
        }
        let reader = if method.arguments.is_empty() { "_reader" } else { &reader };
        Self { reader: ident(reader), bits }
    }
}

fn decode(class: &Class, method: &Method, locals: &Locals) -> TokenStream {
    let reader = &locals.reader;
    let mut groups = locals.bits.iter();
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
                let Some(local) = groups.next() else { continue };
                let (step, bits) = decode_bits(class, method, group, reader, local);
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

/// Reads one octet of bits, named after the first of them, and takes it apart.
fn decode_bits(
    class: &Class,
    method: &Method,
    group: &BitGroup,
    reader: &proc_macro2::Ident,
    local: &proc_macro2::Ident,
) -> (TokenStream, Vec<TokenStream>) {
    let first = group.bits().first().map_or("bits", |bit| &*bit.name.spec);
    let what = format!("{}.{}.{first}", class.name, method.name);
    let bits = group.bits().iter().enumerate().filter(|(_, bit)| !bit.reserved);
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

/// For a method that expects a reply: which.
fn request(
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
        let reply = class.methods.iter().find(|reply| ids.contains(&reply.id))?;
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
    class.methods.iter().any(|method| ids.contains(&method.id) && layout::borrows(method))
}

/// For a method that expects one of several replies: their enum.
fn replies(
    class: &Class,
    method: &Method,
    types: &ClassTypes,
    scope: &mut Scope<'_>,
) -> TokenStream {
    let Some(name) = types.replies(method) else {
        return TokenStream::new();
    };
    let name = ident(name);
    let [reply, method_id, error, typed_method] =
        ["Reply", "MethodId", "DecodeError", "TypedMethod"].map(|name| scope.wire(name));
    let result = scope.result();
    let ids = layout::replies(method);
    let (generics, lifetime) = if borrowing(class, &ids) {
        (quote!(<'r>), quote!(<'r>))
    } else {
        (quote!(), quote!())
    };
    let text = format!("The replies to [`{}`].", method.name.camel);
    let docs = docs::comment(&[text], 0);

    let mut variants = Vec::new();
    let mut id_list = Vec::new();
    let mut attempts = Vec::new();
    let mut names = Vec::new();
    for reply in ids.iter().filter_map(|id| class.methods.iter().find(|reply| reply.id == *id)) {
        let full_name = format!("{}.{}", class.name, reply.name);
        let docs = docs::comment(&[format!("`{full_name}`.")], 4);
        let variant = ident(&reply.name.camel);
        let reply_type = method_type(reply, "r");
        let any_lifetime = method_type(reply, "_");
        variants.push(quote!(#docs #variant(#reply_type)));
        id_list.push(quote!(<#any_lifetime as #typed_method<'_>>::ID));
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

/// Both ids as one number, in the form that a `match` can use: `0x003c_0047`.
pub(super) fn method_number(class: &Class, method: &Method) -> TokenStream {
    path(&format!("{:#06x}_{:04x}", class.id, method.id))
}

/// For a method that answers a request: how a reply is read.
fn reply(class: &Class, method: &Method, scope: &mut Scope<'_>) -> TokenStream {
    if !layout::answers(class, method) {
        return TokenStream::new();
    }
    let [reply, method_id, error, typed_method] =
        ["Reply", "MethodId", "DecodeError", "TypedMethod"].map(|name| scope.wire(name));
    let result = scope.result();
    let name = method_type(method, "r");
    quote! {
        impl<'r> #reply<'r> for #name {
            const IDS: &'static [#method_id] = &[<Self as #typed_method<'_>>::ID];

            fn decode_reply(payload: &'r [u8]) -> #result<Self, #error> {
                Self::decode(payload)
            }
        }
    }
}
