//! What words say about the number beside them, where its shape is silent.
//!
//! A number behind a base image, architecture, runtime or library is that thing's own, and a tag with another one is another image.

/// Distributions and base images, and their releases.
const BASES: &str = "al alma almalinux alpine alt amazonlinux amzn arch azurelinux bci bionic bookworm bullseye buster busybox \
    centos chiseled cos deb debian distroless el f fc fedora focal jammy leap ltsc mariner micro minimal musl \
    nanoserver nd noble ol openeuler opensuse oracle oraclelinux photon rhel rocky rockylinux servercore sle sles \
    stream stretch suse trixie tumbleweed ubi ubuntu windows windowsservercore wolfi xenial";

/// Those of them that are one release, so that a number behind them is not theirs.
const CODENAMES: &str = "bionic bookworm bullseye buster focal jammy noble stretch trixie xenial";

/// Architectures.
const ARCHITECTURES: &str = "aarch amd arm armhf armv avx cpuv i ia mips ppc riscv sm sse x";

/// Languages, runtimes and virtual machines.
const RUNTIMES: &str = "amazoncorretto bun clang corretto cp cpython deno dotnet dragonwell elixir erlang gcc ghc go golang graal \
    graalvm graalvmce hotspot ibmjava java jdk jre jruby jvm kona kotlin liberica llvm lua luajit microsoft net \
    netcore node nodejs openj openjdk otp perl php py pypy python r rb ruby rust sapmachine sbt scala semeru swift \
    temurin zulu";

/// Libraries and services that an image is built for.
const LIBRARIES: &str = "apache chrome cu cuda cudnn django drupal elasticsearch es firefox flink glibc gtk hadoop hdp helm hip hive \
    http httpd ipv k8s kafka kube kubernetes libc lucene mariadb mongo mysql nccl nginx oneapi opencl opensearch \
    openssl openvino pg pgsql postgis postgres postgresql pytorch qt rails rocm solr spark spring tensorrt \
    terraform tf tomcat torch trt vulkan wordpress";

/// Ends of words that are composed with one of those, such as `openjdk`.
const FIXED_ENDS: &str = "alpine cuda java jdk jre jvm linux python ubuntu";

/// Words before a number that is counted up, wherever they stand.
const COUNTED: &str = "alpha b beta bld branch build ci dev develop development head job ls m main master milestone nightly patch \
    pipeline pre preview prod production r rc rel release rev revision run snapshot sp stage staging stg trunk u \
    update w week";

/// Those of them before a commit hash, which may happen to have no letter.
const BRANCHES: &str = "branch dev develop development head main master nightly prod production release snapshot stage staging stg \
    trunk";

/// Words before the number of a pull request or ticket, whose next one is another branch.
const REQUESTS: &str = "bug cl feat feature fix gh issue merge mr pr pull request ticket";

/// Words that make a version a pre-release of the version before them, not a variant of it.
const PRERELEASES: &str = "alpha beta canary candidate cr ea eap m milestone next pre prerelease preview rc";

/// More of them, where a number follows.
const NUMBERED_PRERELEASES: &str =
    "b ci dev develop development edge experimental insider insiders main master nightly snapshot test trunk unstable";

/// Words of tags that their publisher moves with each build.
const CHANNELS: &str = "bleeding dev develop edge head latest main master nightly snapshot tip trunk unstable";

/// What Java's builds are made for.
const JAVA: &str = "jdk jre";

/// Words before the number of an update to a version, which the next version has in it.
const UPDATES: &str = "bugfix fix hf hotfix p patch pl post respin security sp update";

/// The cumulative updates of Microsoft's servers; CUDA is written small.
const CUMULATIVE: &str = "CU";

/// Whether a number behind a word is that of a base, an architecture, a runtime or a library.
pub(super) fn is_fixed(word: &str) -> bool {
    if word == CUMULATIVE {
        return false;
    }
    let word = word.to_ascii_lowercase();
    [BASES, ARCHITECTURES, RUNTIMES, LIBRARIES].iter().any(|list| is_one_of(list, &word))
        || FIXED_ENDS.split(' ').any(|end| word.ends_with(end))
        || word.starts_with("arm")
}

/// Whether a word is that of a base which official images of languages have.
pub(super) fn is_slim_base(word: &str) -> bool {
    is_one_of("alpine bookworm bullseye buster minimal slim trixie", word)
}

/// Whether a word names one release of a distribution.
pub(super) fn is_codename(word: &str) -> bool {
    is_one_of(CODENAMES, word)
}

/// Whether a word is that of a distribution whose releases start well above 1, as a revision does not.
pub(super) fn is_distribution(word: &str) -> bool {
    is_one_of("alpine centos debian fedora rhel ubi ubuntu", word)
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

/// Whether a word is PEP 440's for a pre-release, as in `3.8.0b1`. `3b189` is a build.
pub(super) fn is_python_prerelease(word: &str, lead: &str, number: &str) -> bool {
    lead.is_empty() && (1..3).contains(&number.len()) && is_one_of("a b", word)
}

pub(super) fn is_channel(word: &str) -> bool {
    is_one_of(CHANNELS, word)
}

pub(super) fn is_java(word: &str) -> bool {
    is_one_of(JAVA, word)
}

pub(super) fn is_update(word: &str) -> bool {
    is_one_of(UPDATES, word)
}

fn is_one_of(words: &str, word: &str) -> bool {
    words.split(' ').any(|known| known.eq_ignore_ascii_case(word))
}
