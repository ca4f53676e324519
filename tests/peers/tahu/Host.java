// Eclipse Tahu's Sparkplug host application: prints what it has understood of births and data, one JSON object per
// metric and one per event. It asks for births by itself when it finds a session that it does not know.
//
// Arguments: the broker's URL, the host id, the group. Ends, as offline, with stdin.

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.tahu.host.HostApplication;
import org.eclipse.tahu.host.api.HostApplicationEventHandler;
import org.eclipse.tahu.message.SparkplugBPayloadDecoder;
import org.eclipse.tahu.message.model.DeviceDescriptor;
import org.eclipse.tahu.message.model.EdgeNodeDescriptor;
import org.eclipse.tahu.message.model.Message;
import org.eclipse.tahu.message.model.Metric;
import org.eclipse.tahu.message.model.PropertyValue;
import org.eclipse.tahu.message.model.SparkplugDescriptor;
import org.eclipse.tahu.model.MqttServerDefinition;
import org.eclipse.tahu.mqtt.MqttClientId;
import org.eclipse.tahu.mqtt.MqttServerName;
import org.eclipse.tahu.mqtt.MqttServerUrl;
import org.eclipse.tahu.mqtt.RandomStartupDelay;

public class Host implements HostApplicationEventHandler {
    private final ObjectMapper json = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        // What the libraries log would be taken for what was understood.
        ((ch.qos.logback.classic.Logger) org.slf4j.LoggerFactory.getLogger("ROOT"))
            .setLevel(ch.qos.logback.classic.Level.OFF);
        MqttServerDefinition server = new MqttServerDefinition(
            new MqttServerName("broker"), new MqttClientId("tahu-" + arguments[1], false),
            new MqttServerUrl(arguments[0]), null, null, 30, null);
        List<String> topics = Arrays.asList("spBv1.0/" + arguments[2] + "/#");
        HostApplication host = new HostApplication(new Host(), arguments[1], topics, Arrays.asList(server),
            new RandomStartupDelay("1-2"), new SparkplugBPayloadDecoder(), true);
        host.start(true);
        while (System.in.read() >= 0) {
        }
        host.shutdown();
        System.exit(0);
    }

    private synchronized void print(String kind, SparkplugDescriptor from, Metric metric) {
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("kind", kind);
        out.put("device", from instanceof DeviceDescriptor ? ((DeviceDescriptor) from).getDeviceId() : "");
        if (metric != null) {
            out.put("name", metric.getName());
            out.put("type", String.valueOf(metric.getDataType()));
            out.put("value", metric.getValue() == null ? null : String.valueOf(metric.getValue()));
            out.put("at", metric.getTimestamp() == null ? null : metric.getTimestamp().getTime());
            out.put("historical", Boolean.TRUE.equals(metric.isHistorical()));
            out.put("unit", property(metric, "engUnit"));
            out.put("quality", property(metric, "Quality"));
        }
        try {
            System.out.println(json.writeValueAsString(out));
        } catch (Exception error) {
            System.err.println(error);
        }
    }

    private static Object property(Metric metric, String name) {
        PropertyValue value = metric.getProperties() == null ? null : metric.getProperties().getPropertyValue(name);
        return value == null ? null : value.getValue();
    }

    public void onConnect() {
        print("connected", null, null);
    }

    public void onDisconnect() {
        print("disconnected", null, null);
    }

    public void onMessage(SparkplugDescriptor from, Message message) {}

    public void onNodeBirthArrived(EdgeNodeDescriptor from, Message message) {}

    public void onNodeBirthComplete(EdgeNodeDescriptor from) {
        print("NBIRTH", from, null);
    }

    public void onNodeDataArrived(EdgeNodeDescriptor from, Message message) {}

    public void onNodeDataComplete(EdgeNodeDescriptor from) {}

    public void onNodeDeath(EdgeNodeDescriptor from, Message message) {}

    public void onNodeDeathComplete(EdgeNodeDescriptor from) {
        print("NDEATH", from, null);
    }

    public void onDeviceBirthArrived(DeviceDescriptor from, Message message) {}

    public void onDeviceBirthComplete(DeviceDescriptor from) {
        print("DBIRTH", from, null);
    }

    public void onDeviceDataArrived(DeviceDescriptor from, Message message) {}

    public void onDeviceDataComplete(DeviceDescriptor from) {}

    public void onDeviceDeath(DeviceDescriptor from, Message message) {}

    public void onDeviceDeathComplete(DeviceDescriptor from) {
        print("DDEATH", from, null);
    }

    public void onBirthMetric(SparkplugDescriptor from, Metric metric) {
        print("birth", from, metric);
    }

    public void onDataMetric(SparkplugDescriptor from, Metric metric) {
        print("data", from, metric);
    }

    public void onStale(SparkplugDescriptor from, Metric metric) {}
}
