//! Names that no class may have as its file and its module.

/// Names that no class may have as its Rust module, because the generated files use them: other
/// modules, crates, and the primitive types, which a module of that name would hide.
pub const RESERVED_MODULES: &[&str] = &[
    "alloc",
    "amqp_spec",
    "bool",
    "char",
    "constants",
    "core",
    "f32",
    "f64",
    "i128",
    "i16",
    "i32",
    "i64",
    "i8",
    "isize",
    "metadata",
    "method",
    "std",
    "str",
    "u128",
    "u16",
    "u32",
    "u64",
    "u8",
    "usize",
];

/// Whether Windows keeps the name for a device, whatever ends it. A class is a file: a checkout of
/// `aux.rs` fails there.
pub(crate) fn is_device(name: &str) -> bool {
    let numbered = |port| {
        let number = name.strip_prefix(port).map(str::as_bytes);
        matches!(number, Some([b'0'..=b'9']))
    };
    matches!(name, "aux" | "con" | "nul" | "prn") || numbered("com") || numbered("lpt")
}
