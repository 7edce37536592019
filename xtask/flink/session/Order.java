package kulya.test;

import com.google.protobuf.AbstractMessage;
import com.google.protobuf.AbstractParser;
import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.DescriptorProtos.DescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto.Label;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto.Type;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.DescriptorProtos.FileOptions;
import com.google.protobuf.DescriptorProtos.MessageOptions;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.ExtensionRegistryLite;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.Parser;
import com.google.protobuf.UnknownFieldSet;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * An order as a Protobuf message of proto2. Flink's format calls the methods that protoc would write; here they read a
 * DynamicMessage, so that no compiler of .proto files is needed.
 */
public final class Order extends AbstractMessage {
    private static final FileDescriptorProto FILE = file();
    private static final Descriptor TYPE = type();
    private static final Parser<Order> PARSER = new AbstractParser<>() {
        @Override
        public Order parsePartialFrom(CodedInputStream in, ExtensionRegistryLite extensions)
                throws InvalidProtocolBufferException {
            try {
                return new Order(DynamicMessage.newBuilder(TYPE).mergeFrom(in, extensions).buildPartial());
            } catch (InvalidProtocolBufferException wrong) {
                throw wrong;
            } catch (IOException wrong) {
                throw new InvalidProtocolBufferException(wrong);
            }
        }
    };

    private final Message message;

    private Order(Message message) {
        this.message = message;
    }

    public static Descriptor getDescriptor() {
        return TYPE;
    }

    /** The descriptors of all messages. */
    public static byte[] descriptors() {
        return FileDescriptorSet.newBuilder().addFile(FILE).build().toByteArray();
    }

    public static Parser<Order> parser() {
        return PARSER;
    }

    /** Encodes values by the names of their fields; what is null is left out. */
    public static byte[] encode(Map<String, Object> values) {
        return message(TYPE, values).toByteArray();
    }

    private static Message message(Descriptor type, Map<?, ?> values) {
        DynamicMessage.Builder builder = DynamicMessage.newBuilder(type);
        values.forEach((name, value) -> {
            FieldDescriptor field = type.findFieldByName((String) name);
            if (value == null) {
                return;
            } else if (field.isMapField()) {
                ((Map<?, ?>) value).forEach((key, it) -> {
                    Map<String, Object> entry = new LinkedHashMap<>();
                    entry.put("key", key);
                    entry.put("value", it);
                    builder.addRepeatedField(field, message(field.getMessageType(), entry));
                });
            } else if (field.isRepeated()) {
                ((List<?>) value).stream().filter(it -> it != null).forEach(it -> builder.addRepeatedField(field, it));
            } else if (value instanceof Map) {
                builder.setField(field, message(field.getMessageType(), (Map<?, ?>) value));
            } else {
                builder.setField(field, value instanceof byte[] ? ByteString.copyFrom((byte[]) value) : value);
            }
        });
        return builder.build();
    }

    private static FileDescriptorProto file() {
        DescriptorProto address = DescriptorProto.newBuilder().setName("Address")
                .addField(field(1, "city", Type.TYPE_STRING)).addField(field(2, "zip", Type.TYPE_INT32)).build();
        DescriptorProto entry = DescriptorProto.newBuilder().setName("AttributesEntry")
                .addField(field(1, "key", Type.TYPE_STRING)).addField(field(2, "value", Type.TYPE_STRING))
                .setOptions(MessageOptions.newBuilder().setMapEntry(true)).build();
        DescriptorProto order = DescriptorProto.newBuilder().setName("Order").addNestedType(address).addNestedType(entry)
                .addField(field(1, "id", Type.TYPE_INT64)).addField(field(2, "customer", Type.TYPE_INT32))
                .addField(field(3, "product", Type.TYPE_STRING)).addField(field(4, "category", Type.TYPE_STRING))
                .addField(field(5, "quantity", Type.TYPE_SINT32)).addField(field(6, "amount_text", Type.TYPE_STRING))
                .addField(field(7, "price", Type.TYPE_DOUBLE)).addField(field(8, "paid", Type.TYPE_BOOL))
                .addField(field(9, "placed_text", Type.TYPE_STRING)).addField(field(10, "due_text", Type.TYPE_STRING))
                .addField(field(11, "note", Type.TYPE_STRING)).addField(field(12, "payload", Type.TYPE_BYTES))
                .addField(field(13, "tags", Type.TYPE_STRING).toBuilder().setLabel(Label.LABEL_REPEATED))
                .addField(field(14, "attributes", Type.TYPE_MESSAGE).toBuilder().setLabel(Label.LABEL_REPEATED)
                        .setTypeName(".kulya.test.Order.AttributesEntry"))
                .addField(field(15, "address", Type.TYPE_MESSAGE).toBuilder().setTypeName(".kulya.test.Order.Address"))
                .build();
        return FileDescriptorProto.newBuilder().setName("order.proto").setPackage("kulya.test").setSyntax("proto2")
                .setOptions(FileOptions.newBuilder().setJavaPackage("kulya.test").setJavaMultipleFiles(true))
                .addMessageType(order).build();
    }

    private static FieldDescriptorProto field(int number, String name, Type type) {
        return FieldDescriptorProto.newBuilder().setNumber(number).setName(name).setType(type)
                .setLabel(Label.LABEL_OPTIONAL).build();
    }

    private static Descriptor type() {
        try {
            return FileDescriptor.buildFrom(FILE, new FileDescriptor[0]).findMessageTypeByName("Order");
        } catch (Exception wrong) {
            throw new ExceptionInInitializerError(wrong);
        }
    }

    private static boolean has(Message message, int number) {
        return message.hasField(message.getDescriptorForType().findFieldByNumber(number));
    }

    private static Object get(Message message, int number) {
        return message.getField(message.getDescriptorForType().findFieldByNumber(number));
    }

    private int count(int number) {
        return message.getRepeatedFieldCount(TYPE.findFieldByNumber(number));
    }

    public boolean hasId() {
        return has(message, 1);
    }

    public long getId() {
        return (Long) get(message, 1);
    }

    public boolean hasCustomer() {
        return has(message, 2);
    }

    public int getCustomer() {
        return (Integer) get(message, 2);
    }

    public boolean hasProduct() {
        return has(message, 3);
    }

    public String getProduct() {
        return (String) get(message, 3);
    }

    public boolean hasCategory() {
        return has(message, 4);
    }

    public String getCategory() {
        return (String) get(message, 4);
    }

    public boolean hasQuantity() {
        return has(message, 5);
    }

    public int getQuantity() {
        return (Integer) get(message, 5);
    }

    public boolean hasAmountText() {
        return has(message, 6);
    }

    public String getAmountText() {
        return (String) get(message, 6);
    }

    public boolean hasPrice() {
        return has(message, 7);
    }

    public double getPrice() {
        return (Double) get(message, 7);
    }

    public boolean hasPaid() {
        return has(message, 8);
    }

    public boolean getPaid() {
        return (Boolean) get(message, 8);
    }

    public boolean hasPlacedText() {
        return has(message, 9);
    }

    public String getPlacedText() {
        return (String) get(message, 9);
    }

    public boolean hasDueText() {
        return has(message, 10);
    }

    public String getDueText() {
        return (String) get(message, 10);
    }

    public boolean hasNote() {
        return has(message, 11);
    }

    public String getNote() {
        return (String) get(message, 11);
    }

    public boolean hasPayload() {
        return has(message, 12);
    }

    public ByteString getPayload() {
        return (ByteString) get(message, 12);
    }

    public int getTagsCount() {
        return count(13);
    }

    public List<String> getTagsList() {
        List<String> tags = new ArrayList<>();
        ((List<?>) get(message, 13)).forEach(tag -> tags.add((String) tag));
        return tags;
    }

    public int getAttributesCount() {
        return count(14);
    }

    public Map<String, String> getAttributesMap() {
        Map<String, String> attributes = new LinkedHashMap<>();
        ((List<?>) get(message, 14))
                .forEach(entry -> attributes.put((String) get((Message) entry, 1), (String) get((Message) entry, 2)));
        return attributes;
    }

    public boolean hasAddress() {
        return has(message, 15);
    }

    public Address getAddress() {
        return new Address((Message) get(message, 15));
    }

    @Override
    public Descriptor getDescriptorForType() {
        return TYPE;
    }

    @Override
    public Order getDefaultInstanceForType() {
        return new Order(DynamicMessage.getDefaultInstance(TYPE));
    }

    @Override
    public Parser<Order> getParserForType() {
        return PARSER;
    }

    @Override
    public Map<FieldDescriptor, Object> getAllFields() {
        return message.getAllFields();
    }

    @Override
    public boolean hasField(FieldDescriptor field) {
        return message.hasField(field);
    }

    @Override
    public Object getField(FieldDescriptor field) {
        return message.getField(field);
    }

    @Override
    public int getRepeatedFieldCount(FieldDescriptor field) {
        return message.getRepeatedFieldCount(field);
    }

    @Override
    public Object getRepeatedField(FieldDescriptor field, int index) {
        return message.getRepeatedField(field, index);
    }

    @Override
    public UnknownFieldSet getUnknownFields() {
        return message.getUnknownFields();
    }

    @Override
    public Message.Builder newBuilderForType() {
        return message.newBuilderForType();
    }

    @Override
    public Message.Builder toBuilder() {
        return message.toBuilder();
    }

    /** The nested message. */
    public static final class Address {
        private final Message message;

        private Address(Message message) {
            this.message = message;
        }

        public boolean hasCity() {
            return has(message, 1);
        }

        public String getCity() {
            return (String) get(message, 1);
        }

        public boolean hasZip() {
            return has(message, 2);
        }

        public int getZip() {
            return (Integer) get(message, 2);
        }
    }
}
