//! The wasm32-wasip2 target: rustup's where it can be fetched, else Debian's newer compiler with its library source.

use crate::run::{build_dir, cargo, output, quiet, root, say};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Components are few and run on every call, so they are optimized as a whole; the workspace's own profile keeps native
/// builds short instead.
const OPTIMIZATION: [&str; 4] =
    ["--config", "profile.release.lto='fat'", "--config", "profile.release.codegen-units=1"];

/// Every WebAssembly engine of today has vectors.
const RUST_FLAGS: &str = "-Ctarget-feature=+simd128";

/// How to call cargo for the wasm target.
pub(crate) struct Toolchain {
    cargo: PathBuf,
    arguments: Vec<&'static str>,
    environment: Vec<(&'static str, String)>,
}

impl Toolchain {
    /// A `cargo build` for the target, in the components' own target folder.
    pub(crate) fn build(&self) -> Command {
        let mut command = cargo(&self.cargo);
        // The compilers may differ: this one's choice must not become the other one's.
        command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
        command.args(["build", "--release", "--target", TARGET]).args(OPTIMIZATION);
        command.args(&self.arguments).arg("--target-dir").arg(target_dir());
        command.env("RUSTFLAGS", RUST_FLAGS);
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command
    }
}

/// Where component builds go.
pub(crate) fn target_dir() -> PathBuf {
    root().join("target/components")
}

/// Where cargo leaves the built components.
pub(crate) fn artifacts() -> PathBuf {
    target_dir().join(TARGET).join("release")
}

/// Finds or installs a way to build for the target, and says which.
pub(crate) fn toolchain() -> Result<Toolchain> {
    if rustup_has_target() {
        return Ok(with_rustup());
    }
    if Path::new("/usr/bin/cargo").exists() && debian_source().is_some() {
        return with_debian();
    }
    say(format!("adding the {TARGET} target with rustup"));
    match quiet(Command::new("rustup").args(["target", "add", TARGET])) {
        Ok(()) if rustup_has_target() => return Ok(with_rustup()),
        _ => say("rustup cannot fetch the target here; taking Debian's newer compiler and library source"),
    }
    install_debian_compiler()?;
    with_debian()
}

fn with_rustup() -> Toolchain {
    Toolchain { cargo: "cargo".into(), arguments: vec![], environment: vec![] }
}

fn rustup_has_target() -> bool {
    let library = output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    library.is_some_and(|folder| Path::new(&folder).join("self-contained").exists())
}

fn with_debian() -> Result<Toolchain> {
    let libc = wasi_libc()?;
    let linkers = rustup_linkers()?;
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{0}:{0}/gcc-ld:/usr/bin:{path}", linkers.display());
    Ok(Toolchain {
        cargo: "/usr/bin/cargo".into(),
        arguments: vec!["-Zbuild-std=std,panic_abort"],
        environment: vec![
            ("RUSTC", "/usr/bin/rustc".to_owned()),
            // build-std is a nightly option; Debian's compiler is a release, so it has to be told.
            ("RUSTC_BOOTSTRAP", "1".to_owned()),
            ("RUSTFLAGS", format!("{RUST_FLAGS} -Lnative={}", libc.display())),
            ("PATH", path),
        ],
    })
}

/// The folder of rustup's linkers (`rust-lld`, `wasm-component-ld`), which Debian's packages lack.
fn rustup_linkers() -> Result<PathBuf> {
    let sysroot =
        output(Command::new("rustc").args(["--print", "sysroot"])).context("rustc is not on PATH")?;
    let host = output(Command::new("rustc").args(["--print", "host-tuple"])).context("rustc is too old")?;
    let folder = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin");
    if !folder.join("wasm-component-ld").exists() {
        bail!("{} has no wasm-component-ld; install Rust with rustup", folder.display());
    }
    Ok(folder)
}

/// Debian's Rust library source, when installed.
fn debian_source() -> Option<PathBuf> {
    let sysroot = output(Command::new("/usr/bin/rustc").args(["--print", "sysroot"]))?;
    let source = Path::new(&sysroot).join("lib/rustlib/src/rust/library/std");
    source.exists().then_some(source)
}

fn install_debian_compiler() -> Result<()> {
    say(format!("apt-get install {}", DEBIAN_PACKAGES.join(" ")));
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(DEBIAN_PACKAGES);
    apt(&arguments)?;
    debian_source().map(|_| ()).context("Debian's rust-web-src holds no library source for its rustc")
}

/// Runs apt-get, through sudo where this user is not root.
pub(crate) fn apt(arguments: &[&str]) -> Result<()> {
    let root_user = output(Command::new("id").arg("-u")).as_deref() == Some("0");
    let mut command = if root_user { Command::new("apt-get") } else { Command::new("sudo") };
    if !root_user {
        command.arg("apt-get");
    }
    command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
    quiet(&mut command).context("set-up needs Debian packages; run it as root or with sudo rights")
}

/// The libc for the target. Debian 12's own package is older than the target, so Debian 13's is unpacked into the
/// build folder, through a private copy of this machine's package source: the system's lists stay as they are.
fn wasi_libc() -> Result<PathBuf> {
    let home = build_dir().join("wasi-libc");
    let libraries = home.join("usr/lib/wasm32-wasip2");
    if libraries.join("libc.a").exists() {
        return Ok(libraries);
    }
    say("fetching wasi-libc from Debian 13");
    let private = build_dir().join("apt");
    for folder in ["sources", "lists/partial"] {
        fs::create_dir_all(private.join(folder))?;
    }
    fs::write(private.join("sources/trixie.sources"), trixie_source()?)?;
    let options = [
        "-oDir::Etc::SourceList=/dev/null".to_owned(),
        format!("-oDir::Etc::SourceParts={}", private.join("sources").display()),
        format!("-oDir::State::Lists={}", private.join("lists").display()),
        format!("-oDir::Cache={}", private.display()),
        "-oAPT::Sandbox::User=root".to_owned(),
    ];
    let apt_get =
        |verb: &[&str]| quiet(Command::new("apt-get").current_dir(&private).args(&options).args(verb));
    apt_get(&["update"])?;
    apt_get(&["download", "wasi-libc"])?;
    let package = fs::read_dir(&private)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloaded no wasi-libc package")?;
    quiet(Command::new("dpkg").arg("-x").arg(&package).arg(&home))?;
    fs::remove_dir_all(&private)?;
    if !libraries.join("libc.a").exists() {
        bail!("{} holds no libc.a for {TARGET}", libraries.display());
    }
    Ok(libraries)
}

/// This machine's Debian source entry with the suite changed, so that mirrors and keyrings stay the user's own.
fn trixie_source() -> Result<String> {
    let path = Path::new("/etc/apt/sources.list.d/debian.sources");
    let text = fs::read_to_string(path).with_context(|| format!("this machine has no {}", path.display()))?;
    let entry =
        text.split("\n\n").find(|entry| entry.contains("/debian\n")).context("no Debian source entry")?;
    let changed = entry
        .lines()
        .map(|line| if line.starts_with("Suites:") { "Suites: trixie".to_owned() } else { line.to_owned() });
    Ok(changed.collect::<Vec<_>>().join("\n") + "\n")
}
