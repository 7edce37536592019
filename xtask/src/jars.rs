//! Jars of Java programs, fetched by Maven once and cached. Needs Java and Maven.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns the class path of a pom's dependencies, cached in the folder `name`, fetched if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_fetch(name: &str, pom_text: &str) -> Result<String> {
    for (program, argument) in [("java", "-version"), ("mvn", "-version")] {
        let version =
            Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
        ensure!(
            version.is_ok_and(|status| status.success()),
            "{program} is not on the PATH: install a JDK 17 and Maven"
        );
    }
    let folder = cache_folder()?.join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let (pom, list) = (folder.join("pom.xml"), folder.join("classpath"));
    let is_fetched = std::fs::read_to_string(&pom).is_ok_and(|text| text == pom_text);
    if let (true, Ok(classpath)) = (is_fetched, std::fs::read_to_string(&list))
        && classpath.trim().split(':').all(|jar| Path::new(jar).exists())
    {
        return Ok(classpath.trim().to_owned());
    }
    eprintln!("fetching {name} through Maven");
    std::fs::write(&pom, pom_text)?;
    let _ = std::fs::remove_file(&list);
    // the order of the jars matters: nothing is filtered, which keeps Maven's
    let status = Command::new("mvn")
        .args(["-B", "-q", "dependency:build-classpath"])
        .arg(format!("-Dmdep.outputFile={}", list.display()))
        .arg("-f")
        .arg(&pom)
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "maven could not fetch {name}: check that Maven Central is reachable");
    Ok(std::fs::read_to_string(&list).context("maven wrote no list of jars")?.trim().to_owned())
}

/// Returns the folder of downloads and builds that are cached.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    Ok(cache.or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")?.join("kulya"))
}
