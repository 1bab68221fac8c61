import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.tools.DumpLogSegments;

/**
 * Kafka's dump tool and clients behind one line protocol, so that one JVM serves a whole run of tests. Each line of
 * standard input is a JSON object whose "do" names a command; each line of standard output is its answer, which has
 * "error" when the command failed. Ends with its input. Bytes travel as base64, null as null.
 */
public final class KafkaPeer {
  private static final ObjectMapper json = new ObjectMapper();
  /** No request of a client waits longer than this. */
  private static final int timeoutMs = 30_000;

  public static void main(String[] args) throws Exception {
    PrintStream out = System.out;
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      ObjectNode answer = json.createObjectNode();
      try {
        run(json.readTree(line), answer);
      } catch (Exception failure) {
        answer.put("error", failure.toString());
      }
      out.println(json.writeValueAsString(answer));
      out.flush();
    }
    System.exit(0);
  }

  private static void run(JsonNode ask, ObjectNode answer) throws Exception {
    switch (ask.get("do").asText()) {
      case "dump" -> dump(ask, answer);
      case "createTopic" -> createTopic(ask, answer);
      case "deleteTopic" -> deleteTopic(ask);
      case "describeTopics" -> describeTopics(ask, answer);
      case "alterConfigs" -> alterConfigs(ask);
      case "groupOffsets" -> groupOffsets(ask, answer);
      case "consumeInGroup" -> consumeInGroup(ask, answer);
      case "deleteRecords" -> deleteRecords(ask);
      case "consume" -> consume(ask, answer);
      case "offsetForTimestamp" -> offsetForTimestamp(ask, answer);
      case "produce" -> produce(ask, answer);
      case "partition" -> partition(ask, answer);
      default -> throw new IllegalArgumentException("unknown command " + ask.get("do"));
    }
  }

  /** The hash of each of "keys", and the partition that the producer chooses for it among "partitionCount". */
  private static void partition(JsonNode ask, ObjectNode answer) {
    ArrayNode hashes = answer.putArray("hashes");
    ArrayNode partitions = answer.putArray("partitions");
    for (JsonNode key : ask.get("keys")) {
      byte[] bytes = Base64.getDecoder().decode(key.asText());
      hashes.add(Utils.murmur2(bytes));
      partitions.add(BuiltInPartitioner.partitionForKey(bytes, ask.get("partitionCount").asInt()));
    }
  }

  /** Runs the dump tool with "args" and answers all that it printed. Its exit code proves nothing. */
  private static void dump(JsonNode ask, ObjectNode answer) throws Exception {
    List<String> args = new ArrayList<>();
    ask.get("args").forEach(arg -> args.add(arg.asText()));
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream captured = new PrintStream(bytes, true, StandardCharsets.UTF_8);
    Exit.setExitProcedure((code, message) -> { throw new IllegalStateException("exit " + code + ": " + message); });
    System.setOut(captured);
    System.setErr(captured);
    try {
      DumpLogSegments.main(args.toArray(new String[0]));
    } catch (Exception failure) {
      failure.printStackTrace(captured);
    } finally {
      System.setOut(out);
      System.setErr(err);
      Exit.resetExitProcedure();
    }
    answer.put("output", bytes.toString(StandardCharsets.UTF_8));
  }

  private static void createTopic(JsonNode ask, ObjectNode answer) throws Exception {
    Map<String, String> config = new HashMap<>();
    if (ask.has("config")) ask.get("config").fields().forEachRemaining(e -> config.put(e.getKey(), e.getValue().asText()));
    try (Admin admin = Admin.create(common(ask))) {
      NewTopic topic = new NewTopic(ask.get("topic").asText(), ask.path("partitions").asInt(1), (short) 1).configs(config);
      var created = admin.createTopics(List.of(topic));
      created.all().get();
      answer.put("topicId", created.topicId(topic.name()).get().toString());
    }
  }

  private static void deleteTopic(JsonNode ask) throws Exception {
    try (Admin admin = Admin.create(common(ask))) {
      admin.deleteTopics(List.of(ask.get("topic").asText())).all().get();
    }
  }

  /** All topics that are not internal: id, partitions with their leaders and in-sync replicas, and what was set for them. */
  private static void describeTopics(JsonNode ask, ObjectNode answer) throws Exception {
    ObjectNode topics = answer.putObject("topics");
    try (Admin admin = Admin.create(common(ask))) {
      var described = admin.describeTopics(admin.listTopics().names().get()).allTopicNames().get();
      for (TopicDescription topic : described.values()) {
        ObjectNode one = topics.putObject(topic.name());
        one.put("topicId", topic.topicId().toString());
        ArrayNode partitions = one.putArray("partitions");
        for (var partition : topic.partitions()) {
          ObjectNode shape = partitions.addObject();
          shape.put("leader", partition.leader() == null ? -1 : partition.leader().id());
          ArrayNode isr = shape.putArray("isr");
          partition.isr().forEach(node -> isr.add(node.id()));
        }
        ObjectNode configs = one.putObject("configs");
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic.name());
        for (ConfigEntry entry : admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
          if (entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) configs.put(entry.name(), entry.value());
        }
      }
    }
  }

  /** What "group" has committed, by "topic-partition". */
  private static void groupOffsets(JsonNode ask, ObjectNode answer) throws Exception {
    ObjectNode offsets = answer.putObject("offsets");
    try (Admin admin = Admin.create(common(ask))) {
      String group = ask.get("group").asText();
      admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
          .forEach((partition, offset) -> offsets.put(partition.toString(), offset.offset()));
    }
  }

  /** Joins "group", reads "count" records of "topic", commits them and leaves. */
  private static void consumeInGroup(JsonNode ask, ObjectNode answer) throws Exception {
    Properties config = common(ask);
    config.put("group.id", ask.get("group").asText());
    config.put("enable.auto.commit", "false");
    config.put("auto.offset.reset", "earliest");
    int wanted = ask.get("count").asInt();
    ArrayNode records = answer.putArray("records");
    var bytes = new ByteArrayDeserializer();
    try (var consumer = new KafkaConsumer<>(config, bytes, bytes)) {
      consumer.subscribe(List.of(ask.get("topic").asText()));
      long deadline = System.nanoTime() + 30_000_000_000L;
      while (records.size() < wanted && System.nanoTime() < deadline) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          records.add(record.topic() + "-" + record.partition() + "@" + record.offset());
        }
      }
      consumer.commitSync();
    }
  }

  /** Sets "config" for "topic"; null drops a setting. */
  private static void alterConfigs(JsonNode ask) throws Exception {
    List<AlterConfigOp> changes = new ArrayList<>();
    ask.get("config").fields().forEachRemaining(e -> changes.add(new AlterConfigOp(
        new ConfigEntry(e.getKey(), e.getValue().isNull() ? null : e.getValue().asText()),
        e.getValue().isNull() ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET)));
    try (Admin admin = Admin.create(common(ask))) {
      var resource = new ConfigResource(ConfigResource.Type.TOPIC, ask.get("topic").asText());
      admin.incrementalAlterConfigs(Map.of(resource, changes)).all().get();
    }
  }

  private static void deleteRecords(JsonNode ask) throws Exception {
    try (Admin admin = Admin.create(common(ask))) {
      admin.deleteRecords(Map.of(partition(ask), RecordsToDelete.beforeOffset(ask.get("before").asLong()))).all().get();
    }
  }

  /** Reads "partition" (0) of "topic" from its start to the end that its isolation level sees. */
  private static void consume(JsonNode ask, ObjectNode answer) throws Exception {
    TopicPartition partition = partition(ask);
    ArrayNode records = answer.putArray("records");
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(ask)) {
      consumer.assign(List.of(partition));
      long start = consumer.beginningOffsets(List.of(partition)).get(partition);
      long end = consumer.endOffsets(List.of(partition)).get(partition);
      answer.put("startOffset", start);
      answer.put("endOffset", end);
      consumer.seek(partition, start);
      long deadline = System.currentTimeMillis() + timeoutMs;
      while (consumer.position(partition) < end) {
        if (System.currentTimeMillis() > deadline)
          throw new IllegalStateException("stuck at offset " + consumer.position(partition) + " of " + end);
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) records.add(row(record));
      }
    }
  }

  private static ArrayNode row(ConsumerRecord<byte[], byte[]> record) {
    ArrayNode row = json.createArrayNode();
    row.add(record.offset()).add(record.timestamp()).add(record.timestampType().toString());
    row.add(text(record.key())).add(text(record.value()));
    ArrayNode headers = row.addArray();
    for (Header header : record.headers()) headers.addArray().add(header.key()).add(text(header.value()));
    return row;
  }

  private static void offsetForTimestamp(JsonNode ask, ObjectNode answer) throws Exception {
    TopicPartition partition = partition(ask);
    ArrayNode found = answer.putArray("found");
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(ask)) {
      for (JsonNode timestamp : ask.get("timestamps")) {
        OffsetAndTimestamp place = consumer.offsetsForTimes(Map.of(partition, timestamp.asLong())).get(partition);
        if (place == null) found.addNull();
        else found.addArray().add(place.offset()).add(place.timestamp());
      }
    }
  }

  /**
   * Sends "records" ([timestamp, key, value, headers]) to "partition" (0) of "topic", with the producer settings "config".
   * With a "transaction" (commit or abort) they are one.
   */
  private static void produce(JsonNode ask, ObjectNode answer) throws Exception {
    Properties properties = common(ask);
    properties.put("linger.ms", "20");
    if (ask.has("config")) ask.get("config").fields().forEachRemaining(e -> properties.put(e.getKey(), e.getValue().asText()));
    String transaction = ask.path("transaction").asText("");
    if (!transaction.isEmpty()) properties.put("transactional.id", "interop-" + ask.get("topic").asText());
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    ArrayNode offsets = answer.putArray("offsets");
    try (var producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
      if (!transaction.isEmpty()) {
        producer.initTransactions();
        producer.beginTransaction();
      }
      for (JsonNode record : ask.get("records")) {
        List<Header> headers = new ArrayList<>();
        for (JsonNode header : record.get(3)) headers.add(new RecordHeader(header.get(0).asText(), bytes(header.get(1))));
        sent.add(producer.send(new ProducerRecord<>(
            ask.get("topic").asText(), ask.path("partition").asInt(0), record.get(0).asLong(), bytes(record.get(1)), bytes(record.get(2)), headers)));
      }
      producer.flush();
      for (Future<RecordMetadata> ack : sent) offsets.add(ack.get().offset());
      if (transaction.equals("commit")) producer.commitTransaction();
      if (transaction.equals("abort")) producer.abortTransaction();
    }
  }

  private static KafkaConsumer<byte[], byte[]> consumer(JsonNode ask) {
    Properties properties = common(ask);
    properties.put("isolation.level", ask.path("isolation").asText("read_uncommitted"));
    properties.put("auto.offset.reset", "none");
    properties.put("enable.auto.commit", "false");
    properties.put("check.crcs", "true");
    // Closing waits for the fetch that is under way.
    properties.put("fetch.max.wait.ms", "20");
    return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  private static Properties common(JsonNode ask) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", ask.get("server").asText());
    properties.put("request.timeout.ms", String.valueOf(timeoutMs));
    properties.put("default.api.timeout.ms", String.valueOf(timeoutMs));
    return properties;
  }

  private static TopicPartition partition(JsonNode ask) {
    return new TopicPartition(ask.get("topic").asText(), ask.path("partition").asInt(0));
  }

  private static String text(byte[] bytes) {
    return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
  }

  private static byte[] bytes(JsonNode text) {
    return text.isNull() ? null : Base64.getDecoder().decode(text.asText());
  }
}
