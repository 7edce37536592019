//! Benchmark of a single-node Kafka from Maven Central with its own tools: a broker in KRaft mode, with its
//! default of no sync, and with a sync of every batch.

use crate::measure::{Fallible, cpu_of, resident_of};
use crate::work::{PAYLOAD, SYNCED, WRITTEN};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Timeout of the broker's start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

pub fn run(folder: &Path) -> Fallible {
    for (program, argument) in [("java", "-version"), ("mvn", "-version")] {
        let found = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if found.is_err() {
            println!("NOT RUN: Kafka needs {program}, which is missing");
            return Ok(());
        }
    }
    let classpath = classpath(folder)?;
    let broker = Broker::start(folder, &classpath)?;
    for (topic, events, config) in
        [("synced", SYNCED, &["--config", "flush.messages=1"][..]), ("cached", WRITTEN, &[])]
    {
        let mut create = broker.tool("org.apache.kafka.tools.TopicCommand");
        create.args([
            "--bootstrap-server",
            &broker.address,
            "--create",
            "--topic",
            topic,
            "--partitions",
            "4",
        ]);
        succeed(create.args(config))?;
        broker.produce(topic, events)?;
    }
    broker.consume("cached", WRITTEN)?;
    println!("{:<46} {} kB", "resident, broker", resident_of(&broker.process.id().to_string()));
    Ok(())
}

/// Returns the class path, resolved by Maven.
fn classpath(folder: &Path) -> Fallible<String> {
    let pom = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("kafka/pom.xml");
    let out = folder.join("classpath");
    let mut maven = Command::new("mvn");
    maven.args(["-B", "-q", "-f"]).arg(pom).arg("dependency:build-classpath");
    succeed(maven.arg(format!("-Dmdep.outputFile={}", out.display())))?;
    Ok(std::fs::read_to_string(out)?)
}

fn succeed(command: &mut Command) -> Fallible<String> {
    let output = command.stderr(Stdio::piped()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("{command:?} failed: {text}{}", String::from_utf8_lossy(&output.stderr)).into())
}

struct Broker {
    process: Child,
    classpath: String,
    address: String,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> Fallible<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

impl Broker {
    fn start(folder: &Path, classpath: &str) -> Fallible<Self> {
        let (port, controller) = (free_port()?, free_port()?);
        let settings = folder.join("server.properties");
        let logs = folder.join("kafka");
        std::fs::write(
            &settings,
            format!(
                "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@localhost:{controller}\n\
                 listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
                 advertised.listeners=PLAINTEXT://127.0.0.1:{port}\ncontroller.listener.names=CONTROLLER\n\
                 listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
                 log.dirs={}\noffsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
                 transaction.state.log.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n",
                logs.display()
            ),
        )?;
        let java = |class: &str| {
            let mut java = Command::new("java");
            java.args(["-Xmx1g", "-cp", classpath, class]);
            java
        };
        let mut format = java("kafka.tools.StorageTool");
        succeed(format.args(["format", "-t", "a3Vs-WEtYmVuY2gtMDAwMQ", "-c"]).arg(&settings))?;
        let process =
            java("kafka.Kafka").arg(&settings).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let broker = Self { process, classpath: classpath.to_owned(), address: format!("127.0.0.1:{port}") };
        let started = Instant::now();
        while TcpStream::connect(&broker.address).is_err() {
            if started.elapsed() > START_TIMEOUT {
                return Err("the broker did not start".into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(broker)
    }

    fn tool(&self, class: &str) -> Command {
        let mut java = Command::new("java");
        java.args(["-Xmx1g", "-cp", &self.classpath, class]);
        java
    }

    fn produce(&self, topic: &str, events: u64) -> Fallible {
        let broker = self.process.id().to_string();
        let cpu = cpu_of(&broker);
        let mut tool = self.tool("org.apache.kafka.tools.ProducerPerformance");
        tool.args(["--topic", topic, "--throughput", "-1", "--num-records", &events.to_string()]);
        tool.args(["--record-size", &PAYLOAD.to_string(), "--producer-props"]);
        tool.args([
            &format!("bootstrap.servers={}", self.address),
            "acks=all",
            "linger.ms=5",
            "batch.size=262144",
        ]);
        let output = succeed(&mut tool)?;
        let last = output.lines().last().unwrap_or_default();
        let rate =
            last.split(',').find_map(|part| part.trim().split_once(" records/sec")).map(|(rate, _)| rate);
        let rate: f64 = rate.ok_or_else(|| format!("no rate in {last:?}"))?.parse()?;
        let each = (cpu_of(&broker) - cpu) * 1e6 / events as f64;
        println!(
            "{:<46} {rate:>12.0} events/s {each:>6.2} µs of CPU each (broker)",
            format!("produce, {topic}")
        );
        Ok(())
    }

    fn consume(&self, topic: &str, events: u64) -> Fallible {
        let mut tool = self.tool("org.apache.kafka.tools.ConsumerPerformance");
        tool.args(["--bootstrap-server", &self.address, "--topic", topic, "--messages", &events.to_string()]);
        let output = succeed(&mut tool)?;
        let last = output.lines().last().unwrap_or_default();
        // …, fetch.MB.sec, fetch.nMsg.sec
        let rate: f64 = last.rsplit(',').next().unwrap_or_default().trim().parse()?;
        println!("{:<46} {rate:>12.0} events/s", format!("consume, {topic}, fetching alone"));
        Ok(())
    }
}
