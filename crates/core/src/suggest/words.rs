//! What words say about the number beside them, where its shape is silent.

/// Base images, distributions and their releases, architectures, languages, runtimes and libraries: a number behind one is
/// that thing's own, and a tag with another one is another image.
const FIXED: &[&str] = &[
    // Distributions and base images
    "al",
    "alma",
    "almalinux",
    "alpine",
    "alt",
    "amazonlinux",
    "amzn",
    "arch",
    "azurelinux",
    "bci",
    "bookworm",
    "bullseye",
    "buster",
    "busybox",
    "centos",
    "chiseled",
    "cos",
    "deb",
    "debian",
    "distroless",
    "el",
    "f",
    "fc",
    "fedora",
    "leap",
    "ltsc",
    "mariner",
    "micro",
    "minimal",
    "musl",
    "nanoserver",
    "nd",
    "ol",
    "openeuler",
    "opensuse",
    "oracle",
    "oraclelinux",
    "photon",
    "rhel",
    "rocky",
    "rockylinux",
    "servercore",
    "sles",
    "sle",
    "stream",
    "suse",
    "tumbleweed",
    "ubi",
    "ubuntu",
    "windows",
    "windowsservercore",
    "wolfi",
    "stretch",
    "jammy",
    "focal",
    "noble",
    "bionic",
    "xenial",
    "trixie",
    // Architectures
    "aarch",
    "amd",
    "arm",
    "armhf",
    "armv",
    "avx",
    "cpuv",
    "i",
    "mips",
    "ppc",
    "riscv",
    "sm",
    "sse",
    "x",
    "ia",
    // Languages, runtimes, virtual machines
    "bun",
    "clang",
    "corretto",
    "amazoncorretto",
    "cp",
    "cpython",
    "deno",
    "dotnet",
    "dragonwell",
    "elixir",
    "erlang",
    "gcc",
    "ghc",
    "go",
    "golang",
    "graal",
    "graalvm",
    "graalvmce",
    "hotspot",
    "ibmjava",
    "java",
    "jdk",
    "jre",
    "jvm",
    "kotlin",
    "kona",
    "liberica",
    "llvm",
    "lua",
    "luajit",
    "microsoft",
    "net",
    "netcore",
    "node",
    "nodejs",
    "openj",
    "openjdk",
    "otp",
    "perl",
    "php",
    "py",
    "pypy",
    "python",
    "r",
    "ruby",
    "rust",
    "sapmachine",
    "sbt",
    "scala",
    "semeru",
    "swift",
    "temurin",
    "zulu",
    "rb",
    "jruby",
    // Libraries and services that an image is built for
    "cu",
    "cuda",
    "cudnn",
    "es",
    "flink",
    "hadoop",
    "hdp",
    "hip",
    "hive",
    "http",
    "kafka",
    "mariadb",
    "mongo",
    "mysql",
    "nccl",
    "oneapi",
    "opencl",
    "opensearch",
    "openvino",
    "pg",
    "pgsql",
    "postgis",
    "postgres",
    "postgresql",
    "pytorch",
    "rocm",
    "spark",
    "tensorrt",
    "tf",
    "torch",
    "trt",
    "vulkan",
    "glibc",
    "libc",
    "nginx",
    "apache",
    "httpd",
    "tomcat",
    "ipv",
    "openssl",
    "qt",
    "gtk",
    "k8s",
    "kube",
    "kubernetes",
    "lucene",
    "solr",
    "elasticsearch",
    "rails",
    "wordpress",
    "drupal",
    "django",
    "spring",
    "helm",
    "terraform",
    "chrome",
    "firefox",
];

/// Ends of words that are composed with one of those, such as `openjdk`.
const FIXED_ENDS: &[&str] = &["alpine", "cuda", "java", "jdk", "jre", "jvm", "linux", "python", "ubuntu"];

/// Words before a number that is counted up, wherever they stand.
const COUNTED: &[&str] = &[
    "b",
    "bld",
    "branch",
    "build",
    "ci",
    "dev",
    "develop",
    "development",
    "head",
    "job",
    "ls",
    "main",
    "master",
    "nightly",
    "patch",
    "pipeline",
    "prod",
    "production",
    "r",
    "rel",
    "release",
    "rev",
    "revision",
    "run",
    "snapshot",
    "sp",
    "stage",
    "staging",
    "stg",
    "trunk",
    "u",
    "update",
    "w",
    "week",
    "alpha",
    "beta",
    "m",
    "milestone",
    "pre",
    "preview",
    "rc",
];

/// Those of them before a commit hash, which may happen to have no letter.
const BRANCHES: &[&str] = &[
    "branch",
    "dev",
    "develop",
    "development",
    "head",
    "main",
    "master",
    "nightly",
    "prod",
    "production",
    "release",
    "snapshot",
    "stage",
    "staging",
    "stg",
    "trunk",
];

/// Words before the number of a pull request or ticket, whose next one is another branch.
const REQUESTS: &[&str] =
    &["bug", "cl", "feat", "feature", "fix", "gh", "issue", "merge", "mr", "pr", "pull", "request", "ticket"];

/// Words that make a version a pre-release of the version before them, not a variant of it.
const PRERELEASES: &[&str] =
    &["alpha", "beta", "canary", "cr", "ea", "m", "milestone", "next", "pre", "prerelease", "preview", "rc"];

/// More of them, where a number follows.
const NUMBERED_PRERELEASES: &[&str] =
    &["b", "dev", "edge", "experimental", "insiders", "insider", "nightly", "snapshot", "test", "unstable"];

/// Words before the number of an update to a version, which the next version has in it.
const UPDATES: &[&str] = &["fix", "hf", "hotfix", "p", "patch", "pl", "post", "security", "sp"];

/// The cumulative updates of Microsoft's servers; CUDA is written small.
const CUMULATIVE: &str = "CU";

pub(super) fn is_fixed(word: &str) -> bool {
    if word == CUMULATIVE {
        return false;
    }
    let word = word.to_ascii_lowercase();
    FIXED.contains(&word.as_str()) || FIXED_ENDS.iter().any(|end| word.ends_with(end)) || word.starts_with("arm")
}

/// Whether a word is that of a base which official images of languages have.
pub(super) fn is_slim_base(word: &str) -> bool {
    is_one_of(&["alpine", "bookworm", "bullseye", "buster", "minimal", "slim", "trixie"], word)
}

/// Whether a word is that of a distribution whose releases start well above 1, as a revision does not.
pub(super) fn is_distribution(word: &str) -> bool {
    is_one_of(&["alpine", "centos", "debian", "fedora", "rhel", "ubi", "ubuntu"], word)
}

pub(super) fn is_counted(word: &str) -> bool {
    word == CUMULATIVE || is_one_of(COUNTED, word)
}

pub(super) fn is_branch(word: &str) -> bool {
    is_one_of(BRANCHES, word)
}

pub(super) fn is_request(word: &str) -> bool {
    is_one_of(REQUESTS, word)
}

pub(super) fn is_prerelease(word: &str) -> bool {
    is_one_of(PRERELEASES, word)
}

pub(super) fn is_numbered_prerelease(word: &str) -> bool {
    is_prerelease(word) || is_one_of(NUMBERED_PRERELEASES, word)
}

pub(super) fn is_update(word: &str) -> bool {
    is_one_of(UPDATES, word)
}

fn is_one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}
