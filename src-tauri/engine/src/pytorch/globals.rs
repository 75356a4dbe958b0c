//! The names that a pickle may refer to: the few that mean something here, and those that no checkpoint needs.

use safetensors::Dtype;

/// What a name of a pickle stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// `collections.OrderedDict`, which state dicts are.
    OrderedDict,
    /// `torch._utils._rebuild_tensor(storage, offset, size, stride)` and `_rebuild_tensor_v2`, which adds three arguments
    /// without influence on the values.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter(tensor, …)`, also `…_with_state`.
    RebuildParameter,
    /// `torch._tensor._rebuild_from_type_v2(function, type, arguments, state)`, for tensors with attributes.
    RebuildFromType,
    /// A storage class, with the type of its elements if that is one we have a name for.
    Storage(Option<Dtype>),
    /// `torch.Size`, a tuple.
    Size,
    /// Anything else. It is never called.
    Other,
}

/// What `module.name` stands for.
pub fn known(module: &str, name: &str) -> Known {
    match (module, name) {
        ("collections", "OrderedDict") => Known::OrderedDict,
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Known::RebuildTensor,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Known::RebuildParameter,
        ("torch._tensor", "_rebuild_from_type_v2") => Known::RebuildFromType,
        ("torch", "Size") => Known::Size,
        ("torch" | "torch.cuda" | "torch.storage", _) if name.ends_with("Storage") => Known::Storage(element(name)),
        _ => Known::Other,
    }
}

/// The element type of a storage class. Complex and quantised ones have no name here.
fn element(class: &str) -> Option<Dtype> {
    Some(match class {
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "DoubleStorage" => Dtype::F64,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" | "UntypedStorage" => Dtype::U8,
        "BoolStorage" => Dtype::BOOL,
        _ => return None,
    })
}

/// Modules that start programs, open files or sockets, or load more code, with all that is in them.
const DANGEROUS_MODULES: &[&str] = &[
    "_ctypes",
    "_pickle",
    "_posixsubprocess",
    "_socket",
    "_thread",
    "aiohttp",
    "asyncio",
    "atexit",
    "bdb",
    "cPickle",
    "cProfile",
    "cffi",
    "cloudpickle",
    "code",
    "codeop",
    "commands",
    "ctypes",
    "dill",
    "ensurepip",
    "ftplib",
    "http",
    "httpx",
    "imp",
    "importlib",
    "joblib",
    "marshal",
    "mmap",
    "multiprocessing",
    "nt",
    "os",
    "pdb",
    "pickle",
    "pip",
    "pkgutil",
    "popen2",
    "posix",
    "profile",
    "pty",
    "requests",
    "runpy",
    "shelve",
    "shutil",
    "signal",
    "smtplib",
    "socket",
    "ssl",
    "subprocess",
    "sys",
    "telnetlib",
    "tempfile",
    "threading",
    "timeit",
    "trace",
    "urllib",
    "urllib2",
    "venv",
    "webbrowser",
    "zipimport",
];

/// Built-in functions that run text, import modules or reach attributes by name.
const DANGEROUS_BUILTINS: &[&str] = &[
    "__import__",
    "apply",
    "breakpoint",
    "compile",
    "delattr",
    "eval",
    "exec",
    "execfile",
    "file",
    "getattr",
    "globals",
    "input",
    "locals",
    "open",
    "raw_input",
    "reload",
    "setattr",
    "vars",
];

/// Functions of libraries around PyTorch that load code or another pickle; a module alone means all of it.
const DANGEROUS_FUNCTIONS: &[&str] = &[
    "numpy.f2py",
    "numpy.load",
    "numpy.testing",
    "operator.attrgetter",
    "operator.methodcaller",
    "pandas.read_pickle",
    "torch.hub",
    "torch.jit.load",
    "torch.load",
    "torch.package",
    "torch.serialization.load",
    "torch.utils.cpp_extension",
    "types.CodeType",
    "types.FunctionType",
];

/// Parts that are dangerous wherever they stand: a name such as `torch.os.system` walks from one module into another.
const DANGEROUS_PARTS: &[&str] = &[
    "__builtin__",
    "__builtins__",
    "__globals__",
    "__import__",
    "__subclasses__",
    "builtins",
    "nt",
    "os",
    "posix",
    "subprocess",
    "sys",
];

/// Whether a checkpoint that names this function is refused as a whole.
///
/// Nothing is ever run, so this list protects nobody here; it is for the person, who should hear that the file at hand
/// would attack other programs.
pub fn is_dangerous(module: &str, name: &str) -> bool {
    let has_part = |text: &str| text.split('.').any(|part| DANGEROUS_PARTS.contains(&part));
    if matches!(module, "builtins" | "__builtin__") {
        let function = name.split('.').next().unwrap_or_default();
        return DANGEROUS_BUILTINS.contains(&function) || has_part(name);
    }
    let path = format!("{module}.{name}");
    let is_in = |parent: &str| path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    has_part(&path) || DANGEROUS_MODULES.iter().chain(DANGEROUS_FUNCTIONS).any(|parent| is_in(parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_reach_outside_are_dangerous() {
        for (module, name) in [
            ("os", "system"),
            ("posix", "system"),
            ("os.path", "join"),
            ("subprocess", "Popen"),
            ("builtins", "eval"),
            ("builtins", "exec"),
            ("builtins", "getattr"),
            ("builtins", "__import__"),
            ("__builtin__", "eval"),
            ("runpy", "run_module"),
            ("socket", "socket"),
            ("torch", "os.system"),
            ("torch", "load"),
            ("torch.hub", "load"),
            ("torch.serialization", "os.system"),
            ("collections", "sys.modules"),
        ] {
            assert!(is_dangerous(module, name), "{module}.{name}");
        }
    }

    #[test]
    fn what_training_leaves_behind_is_not() {
        for (module, name) in [
            ("argparse", "Namespace"),
            ("collections", "defaultdict"),
            ("builtins", "set"),
            ("builtins", "complex"),
            ("numpy.core.multiarray", "scalar"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
            ("pathlib", "PosixPath"),
            ("torch", "FloatStorage"),
            ("torch", "loader"),
            ("torch._utils", "_rebuild_tensor_v2"),
            ("torch.jit._pickle", "build_intlist"),
            ("open_clip.model", "CLIP"),
        ] {
            assert!(!is_dangerous(module, name), "{module}.{name}");
        }
    }

    #[test]
    fn storages_are_known_by_their_element() {
        assert_eq!(known("torch", "HalfStorage"), Known::Storage(Some(Dtype::F16)));
        assert_eq!(known("torch.cuda", "FloatStorage"), Known::Storage(Some(Dtype::F32)));
        assert_eq!(known("torch", "QInt8Storage"), Known::Storage(None));
        assert_eq!(known("mine", "FloatStorage"), Known::Other);
    }
}
