//! What went over loopback or a network of namespaces, as Wireshark sees it.

use std::io::Read;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::network::Network;
use super::peer::{peer, port};
use super::process::run;

const BEGIN: &[u8] = b"the capture begins here";
const END: &[u8] = b"the capture ends here";

/// The registered ports.
const EIP: u16 = 44818;
const MODBUS: u16 = 502;
const DISCARD: u16 = 9;

/// Longest wait for a packet of our own to appear.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running capture of two servers' ports.
///
/// It is known to run, and to hold everything, when a packet of our own shows up in it.
pub(crate) struct Capture {
    child: Child,
    chunks: Receiver<Vec<u8>>,
    bytes: Vec<u8>,
    marker: UdpSocket,
    eip: u16,
    modbus: u16,
}

impl Capture {
    /// Starts to capture what these two addresses send and receive.
    pub(crate) fn start(eip: &str, modbus: &str) -> Capture {
        let marker = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
        let to_itself = marker.local_addr().expect("a bound socket has an address");
        marker.connect(to_itself).expect("a socket can send to itself");
        let (eip, modbus) = (port(eip), port(modbus));
        let filter = format!("tcp port {eip} or tcp port {modbus} or udp port {}", to_itself.port());
        Capture::on("lo", &filter, marker, (eip, modbus))
    }

    /// Starts to capture EtherNet/IP on the switch of a network.
    pub(crate) fn of_network() -> Capture {
        let marker = UdpSocket::bind((Network::HERE, 0)).expect("the switch has an address");
        marker.set_broadcast(true).expect("a socket may broadcast");
        marker.connect((Network::BROADCAST, DISCARD)).expect("the network can be reached");
        let filter = format!("tcp port {EIP} or udp port 2222 or udp port {DISCARD}");
        Capture::on(Network::SWITCH, &filter, marker, (EIP, MODBUS))
    }

    fn on(interface: &str, filter: &str, marker: UdpSocket, (eip, modbus): (u16, u16)) -> Capture {
        let mut command = Command::new(peer("dumpcap"));
        command.args(["-q", "-p", "-i", interface, "-w", "-", "-f", filter]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("dumpcap starts");
        let mut stdout = child.stdout.take().expect("stdout is a pipe");
        let (sender, chunks) = channel();
        thread::spawn(move || {
            let mut chunk = vec![0; 65536];
            while let Ok(count @ 1..) = stdout.read(&mut chunk) {
                if sender.send(chunk[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut capture = Capture { child, chunks, bytes: Vec::new(), marker, eip, modbus };
        capture.wait_for(BEGIN);
        capture
    }

    /// Ends the capture with all that was sent before this call.
    pub(crate) fn finish(mut self, scratch: &Path) -> Packets {
        self.wait_for(END);
        let file = scratch.join("capture.pcapng");
        std::fs::write(&file, &self.bytes).expect("the target directory can be written");
        Packets { file, eip: self.eip, modbus: self.modbus }
    }

    /// Sends a packet until it shows up in the capture.
    fn wait_for(&mut self, marker: &[u8]) {
        let until = Instant::now() + DEADLINE;
        while !self.bytes.windows(marker.len()).any(|window| window == marker) {
            if let Ok(Some(status)) = self.child.try_wait() {
                let mut said = String::new();
                let _ = self.child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
                panic!("dumpcap ended, {status}; capturing needs root or tests/run.sh: {said}");
            }
            assert!(Instant::now() < until, "dumpcap captures nothing of our own");
            self.marker.send(marker).expect("the network takes a packet");
            self.bytes.extend(self.chunks.recv_timeout(Duration::from_millis(100)).unwrap_or_default());
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A finished capture.
pub(crate) struct Packets {
    file: PathBuf,
    eip: u16,
    modbus: u16,
}

impl Packets {
    /// The frames that match a display filter, one line each with these fields joined by spaces; several
    /// values of one field are joined by commas.
    pub(crate) fn frames(&self, filter: &str, fields: &[&str]) -> Vec<String> {
        let mut command = Command::new("tshark");
        command.arg("-n").arg("-r").arg(&self.file);
        command.args(["-d", &format!("tcp.port=={},enip", self.eip)]);
        command.args(["-d", &format!("tcp.port=={},mbtcp", self.modbus)]);
        // Without this it cannot tell a Modbus request from a reply.
        command.args(["-o", &format!("mbtcp.tcp.port:{}", self.modbus)]);
        command.args(["-Y", filter, "-T", "fields", "-E", "separator=/s"]);
        for field in fields {
            command.args(["-e", field]);
        }
        run(&mut command, "").lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Frames that carry data on the EtherNet/IP port, as a display filter.
    pub(crate) fn eip_data(&self) -> String {
        format!("tcp.port == {} && tcp.len > 0", self.eip)
    }

    /// Frames that carry data on the Modbus port, as a display filter.
    pub(crate) fn modbus_data(&self) -> String {
        format!("tcp.port == {} && tcp.len > 0", self.modbus)
    }
}
